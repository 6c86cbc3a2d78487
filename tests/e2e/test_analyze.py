"""The analysis command on real and on broken files, on the session's Ray."""

import csv
import io
import json
import shutil

import av
import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from clips import tone, write_audio, write_video
from commands import lipsync_ray
from material import add_sound

from lipsync_ray.analyze.analysis import SCHEMA, read_analyses
from lipsync_ray.models import weights
from lipsync_ray.results import read_results

pytestmark = pytest.mark.usefixtures("cluster")


def by_id(out):
    return {analysis.id: analysis for analysis in read_analyses(str(out / "analysis.parquet"))}


def everything_in(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_corpus(analysed, corpus):
    found = by_id(analysed)
    assert len(found) == 15
    assert pq.read_schema(analysed / "analysis.parquet").equals(SCHEMA)
    verdicts = {name: analysis.verdict for name, analysis in found.items()}
    assert verdicts["no_face"] == "impossible: no face in any of the 24 frames that were looked at"
    assert [name for name, verdict in verdicts.items() if verdict.startswith("impossible")] == ["no_face"]
    assert verdicts["hdtf_a"] == verdicts["ko"] == "good"
    assert found["crowd_1080p"].people > 3
    assert any("several people" in warning for warning in found["crowd_1080p"].warnings)
    assert any("frame rate varies" in warning for warning in found["odd_rate"].warnings)
    assert found["odd_rate"].video["average_rate"] == "1350/61"
    assert found["jfk"].video is None
    assert found["jfk"].audio["sample_rate"] == 44100
    assert found["jfk"].video_verdict == "impossible: no video stream in it"
    for name, analysis in found.items():
        assert analysis.whisper == "nonsense"
        assert analysis.text is not None, name
        assert len(analysis.segments) > 0
        assert 0 < analysis.whisper_probability <= 1
        assert (analysis.language == "unknown") == (analysis.languages == ())
        report = (analysed / name / "report.txt").read_text()
        for part in ("verdict: ", "Transcript", analysis.url, analysis.segments[0].text):
            assert part in report
        for face in analysis.faces or ():
            assert face.picture in report
            assert min(cv2.imread(str(analysed / face.picture)).shape[:2]) > 8
            with av.open(str(analysed / face.clip)) as container:
                seconds = sum(f.samples for f in container.decode(audio=0)) / container.streams.audio[0].rate
            assert 0.49 < seconds <= 1.0001
    assert all(len(found[name].faces) >= 6 for name in ("hdtf_a", "hdtf_b", "anchor_224", "square_590"))
    run = json.loads((analysed / "run.json").read_text())
    assert (run["job"], run["files"], sum(run["verdicts"].values())) == ("analyze", 15, 15)
    warned = list(csv.DictReader(io.StringIO((analysed / "warnings.csv").read_text())))
    assert {"impossible", "warning"} <= {row["kind"] for row in warned}


def test_again_computes_nothing_and_anew_finds_the_same(analysed, corpus, whisper, tmp_path, capsys):
    before = everything_in(analysed)
    command = ("analyze", corpus / "videos" / "*", corpus / "audio" / "*", "--whisper", whisper, "--frames", "6")
    assert lipsync_ray(*command, "-o", analysed) == 0
    assert "15 of 15 files were analysed before" in capsys.readouterr().out
    after = everything_in(analysed)
    same = {name for name in before if before[name] == after[name]}
    assert before.keys() == after.keys()
    assert before.keys() - same <= {"run.json", "index.html"}
    few = [corpus / "videos" / "hdtf_a.mp4", corpus / "videos" / "odd_rate.mp4", corpus / "audio" / "ko.wav"]
    assert lipsync_ray("analyze", *few, "-o", tmp_path, "--whisper", whisper, "--frames", "6", "--actors", "1") == 0
    anew = everything_in(tmp_path)
    mine = {name for name in anew if name.split("/")[0] in ("hdtf_a", "odd_rate", "ko")}
    assert len(mine) > 20
    assert all(anew[name] == before[name] for name in mine)
    rows = by_id(tmp_path)
    for name, analysis in by_id(analysed).items():
        if name in rows:
            assert (rows[name].text, rows[name].translation) == (analysis.text, analysis.translation)
            assert rows[name].faces == analysis.faces


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
    assert lipsync_ray("analyze", oddities / "*", "-o", tmp_path, "--whisper", "none", "--frames", "4") == 1
    found = by_id(tmp_path)
    for name, said in (("damaged", "cut off"), ("empty", "0 bytes"), ("text", "another kind")):
        assert (found[name].status, found[name].stage) == ("failed", "measure")
        assert said in found[name].error
        assert found[name].verdict == f"impossible: {found[name].error}"
        assert said in (tmp_path / name / "report.txt").read_text()
    assert found["silent"].verdict == "poor: silent: there is nothing to say"
    assert found["silent"].audio["loudness_lufs"] is None
    assert found["mute"].verdict.startswith("impossible: no face")
    assert found["mute"].audio_error == "no audio stream in it"
    assert (found["sound"].verdict, found["sound"].faces) == ("good", None)
    assert found["talking"].verdict == "good"
    assert found["talking"].face_height_px > 100
    assert len(found["portrait"].faces) == 1
    assert found["portrait"].faces[0].clip is None
    for analysis in found.values():
        if analysis.status == "done":
            assert (analysis.text, analysis.language, analysis.text_error) == (None, None, "--whisper none")
    # What it says of files, a dub believes.
    dubs = [("good", "talking.mkv", "sound.wav"), ("no-face", "mute.mp4", "sound.wav"),
            ("no-sound", "talking.mkv", "mute.mp4"), ("own-sound", "talking.mkv", "talking.mkv")]  # fmt: skip
    with (oddities / "t.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("id", "video", "audio"), *dubs])
    command = ("dub", oddities / "t.csv", "-o", tmp_path / "dubbed", "--model", "mini")
    assert lipsync_ray(*command, "--analysis", tmp_path / "analysis.parquet") == 1
    results = {result.id: result for result in read_results(str(tmp_path / "dubbed"))}
    assert [result.status for result in results.values()] == ["done", "failed", "failed", "done"]
    assert results["no-face"].stage == "analysis"
    assert "mute.mp4: no face in any of the" in results["no-face"].error
    assert "mute.mp4: no audio stream in it" in results["no-sound"].error


def test_everything_may_be_in_a_bucket(oddities):
    import s3fs

    store = s3fs.S3FileSystem()
    store.mkdir("analysis")
    for name in ("talking.mkv", "sound.wav", "text.mp4"):
        store.put_file(str(oddities / name), f"analysis/in/{name}")
    out = "s3://analysis/out"
    assert lipsync_ray("analyze", "s3://analysis/in/*", "-o", out, "--whisper", "none", "--frames", "2") == 1
    found = {analysis.id: analysis for analysis in read_analyses(f"{out}/analysis.parquet")}
    assert {name: analysis.verdict.split(":")[0] for name, analysis in found.items()} == {
        "sound": "good",
        "talking": "good",
        "text": "impossible",
    }
    assert found["talking"].url == "s3://analysis/in/talking.mkv"
    made = {path.removeprefix("analysis/out/") for path in store.find("analysis/out")}
    faces = found["talking"].faces
    assert {"index.html", "run.json", "talking/report.txt", "text/report.txt", faces[0].picture, faces[0].clip} <= made
    assert not any(name.startswith("attempts") for name in made)


def test_weights_out_of_reach_cost_only_the_text(oddities, tmp_path, monkeypatch):
    from lipsync_ray.errors import WeightsError

    def refuse(url, target, progress):
        raise WeightsError(f"{url}: cannot be downloaded: no network")

    monkeypatch.setenv(weights.CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(weights, "_download", refuse)
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
