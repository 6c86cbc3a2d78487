"""The analysis command on real and on broken files."""

import csv
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from clips import tone, write_audio, write_video
from commands import lipsync_ray
from material import add_sound

from lipsync_ray.io.results import read_results
from lipsync_ray.jobs.analyze.analysis import ANALYSES, read_analyses
from lipsync_ray.models import weights


def by_id(out):
    return {analysis.id: analysis for analysis in read_analyses(str(out / "analysis.parquet"))}


def everything_in(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.nightly
def test_again_computes_nothing_and_anew_finds_the_same(analysed, demo_inputs, whisper, tmp_path, capsys):
    sources = [demo_inputs / name for name in ("pan.mp4", "portrait.jpg", "ko.ogg")]
    command = ("analyze", *sources, "--whisper", whisper, "--frames", "4")
    before = everything_in(analysed)
    found = by_id(analysed)
    assert pq.read_schema(analysed / "analysis.parquet").equals(ANALYSES.schema)
    assert {found[name].verdict for name in ("pan", "portrait")} == {"good"}
    assert found["ko"].verdict.startswith("poor: its transcript is uncertain: ")
    assert found["ko"].text_uncertain == 1
    assert len(found["ko"].segments) > 0
    assert found["ko"].segments[0].text in (analysed / "ko" / "report.txt").read_text()
    assert lipsync_ray(*command, "-o", analysed) == 0
    assert "3 of 3 files were analysed before" in capsys.readouterr().out
    after = everything_in(analysed)
    same = {name for name in before if before[name] == after[name]}
    assert before.keys() == after.keys()
    assert before.keys() - same <= {"run.json", "index.html"}
    assert lipsync_ray(*command, "-o", tmp_path, "--actors", "1") == 0
    again = everything_in(tmp_path)
    mine = {name for name in again if name.split("/")[0] in ("pan", "portrait", "ko")}
    assert len(mine) > 8
    assert all(again[name] == before[name] for name in mine)


@pytest.fixture(scope="module")
def oddities(demo_inputs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("oddities")
    whole = (demo_inputs / "pan.mp4").read_bytes()
    (folder / "damaged.mp4").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "text.mp4").write_text("not a video\n" * 20)
    write_audio(folder / "silent.wav", np.zeros(32_000, np.float32))
    write_audio(folder / "sound.wav", tone(2.0))
    write_video(folder / "mute.mp4", [np.full((96, 128, 3), 90, np.uint8)] * 10)
    shutil.copy(demo_inputs / "portrait.jpg", folder / "portrait.jpg")
    add_sound(str(demo_inputs / "pan.mp4"), tone(1.0), 16_000, str(folder / "talking.mkv"))
    return folder


def test_without_whisper_and_with_files_that_are_none(oddities, tmp_path):
    analysis = tmp_path / "analysis"
    assert lipsync_ray("analyze", oddities / "*", "-o", analysis, "--whisper", "none", "--frames", "4") == 1
    found = by_id(analysis)
    for name, said in (("damaged", "cut off"), ("empty", "0 bytes"), ("text", "another kind")):
        assert (found[name].status, found[name].stage) == ("failed", "measure")
        assert said in found[name].error
        assert found[name].verdict == f"impossible: {found[name].error}"
        assert said in (analysis / name / "report.txt").read_text()
    assert found["silent"].verdict == "poor: silent: there is nothing to say"
    assert found["silent"].audio["loudness_lufs"] is None
    assert found["mute"].verdict.startswith("impossible: no face")
    assert found["mute"].audio_error == "no audio stream in it"
    assert (found["sound"].verdict, found["sound"].faces) == ("good", None)
    assert found["talking"].verdict == "good"
    assert found["talking"].face_height_px > 100
    assert len(found["portrait"].faces) == 1
    assert found["portrait"].faces[0].clip is None
    for row in found.values():
        if row.status == "done":
            assert (row.text, row.language, row.text_error) == (None, None, "--whisper none")
    # What it says of files, a dub believes.
    dubs = [("good", "talking.mkv", "sound.wav"), ("no-face", "mute.mp4", "sound.wav"),
            ("no-sound", "talking.mkv", "mute.mp4"), ("own-sound", "talking.mkv", "talking.mkv")]  # fmt: skip
    with (oddities / "t.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("id", "video", "audio"), *dubs])
    command = ("dub", oddities / "t.csv", "-o", tmp_path / "dubbed", "--model", "mini")
    assert lipsync_ray(*command, "--analysis", analysis / "analysis.parquet") == 1
    results = {result.id: result for result in read_results(str(tmp_path / "dubbed"))}
    assert [result.status for result in results.values()] == ["done", "failed", "failed", "done"]
    assert results["no-face"].stage == "analysis"
    assert "mute.mp4: no face in any of the" in results["no-face"].error
    assert "mute.mp4: no audio stream in it" in results["no-sound"].error


@pytest.mark.nightly
def test_everything_may_be_in_a_bucket(oddities, cluster):
    import s3fs

    store = s3fs.S3FileSystem()
    store.mkdir("analysis")
    for name in ("talking.mkv", "sound.wav", "text.mp4"):
        store.put_file(str(oddities / name), f"analysis/in/{name}")
    out = "s3://analysis/out"
    assert (
        lipsync_ray(
            "analyze",
            "s3://analysis/in/*",
            "-o",
            out,
            "--whisper",
            "none",
            "--frames",
            "2",
            "--find-speakers",
            engine="ray",
        )
        == 1
    )
    found = {analysis.id: analysis for analysis in read_analyses(f"{out}/analysis.parquet")}
    assert {name: analysis.verdict.split(":")[0] for name, analysis in found.items()} == {
        "sound": "good",
        "talking": "good",
        "text": "impossible",
    }
    assert found["talking"].url == "s3://analysis/in/talking.mkv"
    made = {path.removeprefix("analysis/out/") for path in store.find("analysis/out")}
    faces = found["talking"].faces
    (person,) = found["talking"].persons
    assert (person.person, person.spoken_s, person.picture) == (0, None, "people/talking-0.jpg")
    assert {
        person.picture,
        "index.html",
        "run.json",
        "talking/report.txt",
        "text/report.txt",
        faces[0].picture,
        faces[0].clip,
    } <= made
    assert not any(name.startswith("attempts") for name in made)


def test_weights_out_of_reach_cost_only_the_text(oddities, tmp_path, monkeypatch):
    from lipsync_ray.errors import WeightsError

    def refuse(url, target, progress):
        raise WeightsError(f"{url}: cannot be downloaded: no network")

    monkeypatch.setenv(weights.CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(weights, "download", refuse)
    (oddities / "table.csv").write_text("video,audio,language\ntalking.mkv,sound.wav,ko\n")
    assert lipsync_ray("analyze", oddities / "table.csv", "-o", tmp_path / "out", "--frames", "2") == 0
    found = by_id(tmp_path / "out")
    assert found["sound"].expected_languages == ("ko",)
    assert found["talking"].roles == ("video",)
    assert found["talking"].dubs == ("talking-ko",)
    for analysis in found.values():
        assert analysis.text is None
        assert "cannot be downloaded: no network" in analysis.text_error


def test_arguments_that_cannot_work(oddities, tmp_path, capsys):
    for arguments, said in (
        ((oddities / "gone.mp4",), "no such file"),
        ((oddities / "sound.wav", "--frames", "0"), "expected 1 to 1000"),
        ((oddities / "sound.wav", "--whisper", "huge"), "neither a registered name"),
    ):
        assert lipsync_ray("analyze", *arguments, "-o", tmp_path / "out") == 2
        assert said in capsys.readouterr().err
    (tmp_path / "t.csv").write_text(f"video,audio\n{oddities / 'talking.mkv'},{oddities / 'sound.wav'}\n")
    results = tmp_path / "results.parquet"
    pq.write_table(pa.table({"id": ["a"]}), results)
    assert lipsync_ray("dub", tmp_path / "t.csv", "-o", tmp_path / "o", "--model", "mini", "--analysis", results) == 2
    assert "no column" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
