"""A corpus is scored by samples, and by what is new in it."""

import csv
import json
import shutil
from unittest import mock

import pytest
from commands import lipsync_ray

from lipsync_ray.jobs.evaluate.scores import SCORES

QUICK = ("--scorer", "mini-sync", "--fid", "none", "--previews", "0")


def scores_of(folder):
    return {score.id: score for score in SCORES.read_table(str(folder))}


def outcomes(folder):
    return {path: path.stat().st_mtime_ns for path in (folder / "outcomes").iterdir()}


def ids_in(block):
    return [json.loads(line)["id"] for line in block.read_text().splitlines()]


def table(path, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("id", "video", "language", "model"), *rows])
    return path


@pytest.mark.nightly
def test_a_larger_sample_keeps_what_a_smaller_one_scored(demo_run, tmp_path, capsys):
    out = tmp_path / "scores"
    assert lipsync_ray("evaluate", demo_run, "-o", out, *QUICK, "--sample", "2") == 0
    first, times = scores_of(out), outcomes(out)
    assert sorted(first) == sorted(name for path in times for name in ids_in(path))
    assert len(first) == 2
    assert "A sample was scored" in capsys.readouterr().out
    assert json.loads((out / "run.json").read_text())["sample"] == {"asked": "2", "seed": 0, "rows": 2, "of": 6}
    assert lipsync_ray("evaluate", demo_run, "-o", out, *QUICK, "--sample", "50%") == 0
    second = scores_of(out)
    assert len(second) == 3
    assert set(first) < set(second)
    assert times.items() <= outcomes(out).items()
    assert sum(score.stands_for for score in second.values()) == pytest.approx(
        sum({"en": 2, "es": 2, "ko": 1, "ar": 1}[name] for name in {score.language for score in second.values()})
    )
    assert "drawn of" in (out / "report" / "index.html").read_text()
    capsys.readouterr()
    assert lipsync_ray("evaluate", demo_run, "-o", out, *QUICK, "--sample", "50%") == 0
    assert "3 of 3 videos were scored before" in capsys.readouterr().out


@pytest.mark.nightly
def test_only_what_is_new_is_scored(demo_run, tmp_path, capsys):
    for name in ("pan-en", "pan-es", "sway-en"):
        shutil.copy(demo_run / "videos" / f"{name}.mp4", tmp_path)
    damaged = tmp_path / "damaged.mp4"
    damaged.write_text("I am not a video.\n" * 50)
    rows = {name: (name, tmp_path / f"{name}.mp4", name[-2:], "m") for name in ("pan-en", "pan-es", "sway-en")}
    rows["damaged"] = ("damaged", damaged, "en", "m")
    out = tmp_path / "scores"
    words = ("-o", out, *QUICK)
    assert (
        lipsync_ray("evaluate", table(tmp_path / "t.csv", [rows[n] for n in ("pan-en", "pan-es", "damaged")]), *words)
        == 1
    )
    before, old = outcomes(out), scores_of(out)
    shorter = table(tmp_path / "t.csv", [rows[n] for n in ("pan-es", "damaged", "sway-en")])
    capsys.readouterr()
    assert lipsync_ray("evaluate", shorter, *words, "--only-new") == 1
    found = scores_of(out)
    assert list(found) == [
        "pan-es",
        "damaged",
        "sway-en",
        "pan-en",
    ]  # that of a row which the table no longer has comes last
    assert found["pan-en"] == old["pan-en"]
    assert {name: outcomes(out)[name] for name in before} == before  # what failed is not tried again, either
    later = outcomes(out).keys()
    assert {name for path in later - before.keys() for name in ids_in(path)} == {"sway-en"}
    assert found["sway-en"].status == "scored"
    assert "2 of 3 videos were scored before" in capsys.readouterr().out

    shutil.copy(tmp_path / "pan-en.mp4", tmp_path / "pan-es.mp4")  # made anew: its score is an old one
    assert lipsync_ray("evaluate", shorter, *words, "--only-new") == 1
    now = outcomes(out)
    assert {name for path in now.keys() - later for name in ids_in(path)} == {"pan-es"}
    assert scores_of(out)["pan-es"].mini_sync_c == found["pan-en"].mini_sync_c

    assert lipsync_ray("evaluate", shorter, *words, "--only-new", "--min-track", "50") == 2
    assert "was scored with other options (min_track)" in capsys.readouterr().err
    assert outcomes(out) == now


@pytest.mark.nightly
def test_previews_of_what_is_new_come_to_rest(demo_run, tmp_path):
    """Kept rows get the previews that they lack once; rows that the table lost get none."""
    rows = [(name, demo_run / "videos" / f"{name}.mp4", name[-2:], "m") for name in ("pan-en", "pan-es", "sway-en")]
    out, words = tmp_path / "scores", ("--scorer", "mini-sync", "--fid", "none", "--engine", "inline")
    assert lipsync_ray("evaluate", table(tmp_path / "t.csv", rows[:2]), "-o", out, *words, "--previews", "0") == 0
    shorter = table(tmp_path / "t.csv", rows[1:])
    assert lipsync_ray("evaluate", shorter, "-o", out, *words, "--only-new") == 0
    strips = {path.name.rpartition("-")[0] for path in (out / "media").iterdir()}
    assert strips == {"pan-es", "sway-en"}
    assert list(scores_of(out)) == ["pan-es", "sway-en", "pan-en"]
    with mock.patch("lipsync_ray.jobs.evaluate.job._evaluate") as worked:
        assert lipsync_ray("evaluate", shorter, "-o", out, *words, "--only-new") == 0
    assert not worked.called


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--sample", "0"), "--sample 0: expected a number of rows"),
        (("--sample", "120%"), "--sample 120%: expected a number of rows"),
        (("--seed", "1"), "--seed 1: for --sample alone"),
    ],
)
def test_unusable_samples_start_nothing(demo_run, tmp_path, capsys, arguments, said):
    assert lipsync_ray("evaluate", demo_run, "-o", tmp_path / "out", *QUICK, *arguments) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
