"""Every command refuses the folder of another job, or of another kind of training, and leaves it as it was."""

import json
import sys

import pytest

import lipsync_ray
from lipsync_ray.cli import app
from lipsync_ray.errors import SettingsError
from lipsync_ray.io import storage
from lipsync_ray.io.identity import identity
from lipsync_ray.media.probe import probe_video
from lipsync_ray.settings import Workers

OWNERS = ("dub", "enhance", "evaluate", "analyze", "train pose", "train generator", "report", "other")
COMMANDS = {
    "dub": ("dub", "{inputs}/manifest.csv", "--model", "warp"),
    "dub a pair": ("dub", "{inputs}/pan.mp4", "{inputs}/en.ogg", "--model", "warp"),
    "dub --dry-run": ("dub", "{inputs}/manifest.csv", "--model", "warp", "--dry-run"),
    "demo": ("demo",),
    "enhance": ("enhance", "{inputs}/pan.mp4"),
    "evaluate": ("evaluate", "{table}", "--scorer", "mini-sync", "--fid", "none"),
    "analyze": ("analyze", "{inputs}/en.ogg", "--whisper", "none"),
    "train pose": ("train", "pose", "{inputs}"),
    "train judge": ("train", "judge", "{inputs}"),
    "train generator": ("train", "generator", "{inputs}"),
    "report": ("report", "{table}.scores"),
}
OWN = {"dub a pair": "dub", "dub --dry-run": "dub", "demo": "dub"}


def command_line(monkeypatch, capsys, *words):
    monkeypatch.setattr(sys, "argv", ["lipsync-ray", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        app.main()
    return ended.value.code or 0, capsys.readouterr().err


def fill(folder, owner):
    """What a run of this owner leaves, as far as anybody looks."""
    if owner == "report":
        storage.commit_bytes(storage.join(folder, "report/index.html"), b"<html>")
        return
    job, _, kind = owner.partition(" ")
    settings = {"kind": kind} if kind else {}
    record = {"job": job, "run": "1-a", "began": 1.0, "settings": settings} if job != "other" else {"mine": 1}
    storage.commit_bytes(storage.join(folder, "run.json"), json.dumps(record).encode())
    storage.commit_bytes(storage.join(folder, "attempts", "1-a", "x"), b"")


def contents(folder):
    return {name: identity(storage.join(folder, name)) for name in storage.list_tree(folder)}


@pytest.mark.parametrize("name", COMMANDS)
def test_another_jobs_folder_is_refused_and_left_as_it_was(name, place, demo_inputs, tmp_path, monkeypatch, capsys):
    if name == "demo" and "://" in place:
        pytest.skip("the demo's folder is a path of this machine")
    monkeypatch.chdir(tmp_path)
    table = tmp_path / "scored.csv"
    table.write_text(f"video\n{demo_inputs}/pan.mp4\n")
    words = [word.format(inputs=demo_inputs, table=table) for word in COMMANDS[name]]
    asked = OWN.get(name, name)
    for owner in OWNERS:
        if owner == asked:
            continue
        storage.remove(place)
        fill(place, owner)
        before = contents(place)
        status, said = command_line(monkeypatch, capsys, *words, "-o", place)
        assert status == 2, said
        whose = "run.json that no run of lipsync-ray wrote" if owner == "other" else f"`lipsync-ray {owner}`"
        assert said.count("\n") == 1
        assert whose in said
        assert f"expected a new folder, or one of `lipsync-ray {asked}`" in said
        assert contents(place) == before
    assert {path.name for path in tmp_path.iterdir()} <= {"out", "scored.csv"}


@pytest.mark.parametrize("engine", ["ray", "inline"])
def test_no_engine_is_started_for_it(engine, demo_inputs, tmp_path):
    fill(str(tmp_path / "out"), "evaluate")
    with pytest.raises(SettingsError, match="holds a run of `lipsync-ray evaluate`"):
        lipsync_ray.dub_table(
            demo_inputs / "manifest.csv", tmp_path / "out", model="warp", workers=Workers(engine=engine), progress=False
        )


@pytest.mark.parametrize("command", ["evaluate", "enhance"])
def test_scores_and_restored_videos_do_not_go_into_what_they_are_of(command, place, monkeypatch, capsys):
    row = lipsync_ray.Result("a", "v", "w", None, "done", output="v", model="warp")
    settings = {"face": "largest", "pads": {}, "loop": "pingpong", "still_rate": "25"}
    record = {"job": "dub", "run": "1", "began": 1.0, "settings": settings}
    storage.commit_bytes(storage.join(place, "run.json"), json.dumps(record).encode())
    from lipsync_ray.io.results import RESULTS

    RESULTS.write_table(place, [row])
    before = contents(place)
    for out in (place, storage.join(place, "metrics")):
        status, said = command_line(monkeypatch, capsys, command, place, "-o", out, "--engine", "inline")
        assert status == 2
        assert "holds a run of `lipsync-ray dub`; expected a" in said
    assert contents(place) == before


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("evaluate", "{out}", "-o", "new"), "`lipsync-ray dub` or `lipsync-ray enhance`"),
        (("enhance", "{out}", "-o", "new"), "`lipsync-ray dub` or `lipsync-ray enhance`"),
        (("report", "{out}", "-o", "new"), "`lipsync-ray evaluate`"),
        (("dub", "{inputs}/manifest.csv", "-o", "new", "--model", "warp", "--dry-run", "--rates", "{out}"), "`lipsync-ray dub`"),
    ],
)  # fmt: skip
def test_who_reads_another_jobs_folder_is_told_whose_it_is(
    words, expected, place, demo_inputs, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    fill(place, "analyze")
    words = [word.format(out=place, inputs=demo_inputs) for word in words]
    status, said = command_line(monkeypatch, capsys, *words)
    assert status == 2
    assert f"holds a run of `lipsync-ray analyze`; expected the folder of a finished run of {expected}" in said
    assert not (tmp_path / "new").exists()


def test_a_report_of_an_evaluation_alone_is_its_own_page_and_no_other(tmp_path, monkeypatch, capsys):
    for name in ("a", "b"):
        fill(str(tmp_path / name), "evaluate")
    status, said = command_line(monkeypatch, capsys, "report", tmp_path / "a", tmp_path / "b", "-o", tmp_path / "a")
    assert status == 2
    assert "expected a new folder, or one of `lipsync-ray report`" in said
    status, said = command_line(monkeypatch, capsys, "report", f"{tmp_path}/a/", "-o", tmp_path / "a")
    assert "not the folder of a finished evaluation" in said  # it has no table: it was let in, and read


@pytest.mark.parametrize("name", ["up.ts", "up.AVI", "up.avi", "up.m4v", "up.gif", "up.wav"])
def test_a_pair_becomes_no_file_of_another_kind(name, demo_inputs, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ("dub", demo_inputs / "pan.mp4", demo_inputs / "en.ogg", "--model", "warp", "-o", name)
    status, said = command_line(monkeypatch, capsys, *words)
    assert (status, said.count("\n")) == (2, 1)
    assert "expected a name that ends in .mp4 or .mov or .mkv or .webm, or a folder" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["up.mp4", "results.CSV"])
@pytest.mark.parametrize("job", ["dub", "demo", "enhance", "evaluate", "analyze", "train pose"])
def test_results_get_no_files_name(job, name, demo_inputs, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = [word.format(inputs=demo_inputs, table=tmp_path / "t.csv") for word in COMMANDS[job]]
    (tmp_path / "t.csv").write_text(f"video\n{demo_inputs}/pan.mp4\n")
    status, said = command_line(monkeypatch, capsys, *words, "-o", name)
    assert status == 2
    assert "results go into a folder" in said
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


def test_capital_letters_name_a_video(demo_inputs, tmp_path):
    out = tmp_path / "up.MP4"
    summary = lipsync_ray.dub(demo_inputs / "pan.mp4", demo_inputs / "en.ogg", out, model="mini", progress=False)
    assert probe_video(str(out)).frames == summary.results[0].frames
    assert [path.name for path in tmp_path.iterdir()] == ["up.MP4"]


def test_a_video_is_not_written_over_what_it_is_made_of(demo_inputs):
    for name in ("pan.mp4", "sway.mp4"):
        before = (demo_inputs / name).read_bytes()
        with pytest.raises(SettingsError, match="the same file is read; expected another name"):
            lipsync_ray.dub(demo_inputs / "sway.mp4", demo_inputs / "pan.mp4", demo_inputs / name, model="mini")
        assert (demo_inputs / name).read_bytes() == before


@pytest.mark.parametrize("there", ["folder", "text"])
def test_rates_are_not_put_over_something_else(there, tmp_path):
    out = tmp_path / "rates.json"
    out.mkdir() if there == "folder" else out.write_text("[]")
    with pytest.raises(SettingsError, match=r"a folder; expected|not a table of rates"):
        lipsync_ray.calibrate(out)
    assert out.is_dir() if there == "folder" else out.read_text() == "[]"


def test_an_evaluation_says_from_its_start_that_the_folder_is_its(demo_inputs, tmp_path, monkeypatch):
    from lipsync_ray.jobs.evaluate import job

    def stop(run, previewer):
        raise KeyboardInterrupt

    monkeypatch.setattr(job, "prepare", stop)
    (tmp_path / "t.csv").write_text(f"video\n{demo_inputs}/pan.mp4\n")
    settings = lipsync_ray.EvaluateSettings(scorer="mini-sync", fid="none")
    with pytest.raises(KeyboardInterrupt):
        lipsync_ray.evaluate(tmp_path / "t.csv", tmp_path / "out", settings=settings, workers=Workers(engine="inline"))
    assert json.loads((tmp_path / "out" / "run.json").read_text())["job"] == "evaluate"
