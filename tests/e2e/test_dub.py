"""The dub command from manifest to finished videos."""

import csv
import json
import sys
from pathlib import Path

import av
import numpy as np
import pyarrow.parquet as pq
import pytest
from clips import tone, write_audio, write_video

sys.path.insert(0, str(Path(__file__).parent))
from commands import frame_digests, lipsync_ray
from material import add_sound

from lipsync_ray.engine import bundles
from lipsync_ray.io.results import RESULTS, read_results
from lipsync_ray.jobs.dub import job
from lipsync_ray.media.probe import probe_video


def manifest(path: Path, rows) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("id", "video", "audio"), *rows])
    return path


@pytest.fixture(scope="module")
def inputs(demo_inputs, tmp_path_factory):
    """The demo's inputs and a short sentence: two seconds of the English one."""
    folder = tmp_path_factory.mktemp("inputs")
    with av.open(str(demo_inputs / "en.ogg")) as container:
        samples = np.concatenate([f.to_ndarray() for f in container.decode(audio=0)], axis=1)[0, : 2 * 48000]
    write_audio(folder / "short.wav", samples, 48000)
    for name in ("pan.mp4", "portrait.jpg", "en.ogg"):
        (folder / name).symlink_to(demo_inputs / name)
    return folder


def test_the_demo_makes_its_videos_and_a_second_one_keeps_them(demo_run, demo_record, capsys):
    made = {path.name: path.stat().st_mtime_ns for path in (demo_run / "videos").iterdir()}
    assert len(made) == 6
    table = pq.read_table(demo_run / "results.parquet")
    assert table.schema.equals(RESULTS.schema)
    assert set(table["status"].to_pylist()) == {"done"}
    assert set(table["faceless_frames"].to_pylist()) == {0}
    assert (demo_record["detected_videos"], demo_record["status"]) == (3, {"done": 6})
    assert sorted(p.name for p in demo_run.iterdir()) == [
        "faces",
        "index.html",
        "inputs",
        "outcomes",
        "parts",
        "results.parquet",
        "run.json",
        "sources",
        "videos",
    ]
    assert list((demo_run / "parts").iterdir()) == []
    for result in read_results(str(demo_run)):
        with av.open(result.output) as container:
            video, audio = container.streams.video[0], container.streams.audio[0]
            assert sum(1 for _ in container.decode(video)) == result.frames
            assert abs(float(video.duration * video.time_base - audio.duration * audio.time_base)) < 0.04 + 1e-3
            assert (video.start_time, audio.start_time) == (0, 0)
    assert lipsync_ray("demo", "-o", demo_run) == 0
    assert made == {path.name: path.stat().st_mtime_ns for path in (demo_run / "videos").iterdir()}
    assert "6 of 6 dubs were finished before" in capsys.readouterr().out


def test_one_pair_becomes_one_file(inputs, tmp_path, capsys):
    assert (
        lipsync_ray(
            "dub",
            inputs / "portrait.jpg",
            inputs / "short.wav",
            "-o",
            tmp_path / "out.mp4",
            "--model",
            "mini",
            "--still-rate",
            "30",
        )
        == 0
    )
    assert [p.name for p in tmp_path.iterdir()] == ["out.mp4"]
    info = probe_video(str(tmp_path / "out.mp4"))
    assert (info.rate, info.frames, info.width, info.height) == (30, 60, 512, 600)
    assert "60 frames" in capsys.readouterr().out


def test_damaged_files_are_rows_with_their_reason_and_stop_nobody(inputs, tmp_path, capsys):
    whole = (inputs / "pan.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.mp4").write_text("I am not a video.\n" * 50)
    (tmp_path / "empty.mp4").write_bytes(b"")
    write_video(tmp_path / "mute.mp4", [np.zeros((64, 64, 3), np.uint8)] * 5)
    start = whole.index(b"mdat") + 4
    (tmp_path / "rotten.mp4").write_bytes(whole[:start] + bytes(len(whole) - start - 20000) + whole[-20000:])
    write_video(tmp_path / "nobody.mp4", [np.full((120, 160, 3), 90, np.uint8)] * 30)
    write_audio(tmp_path / "beep.flac", tone(0.1, 44100), 44100, "flac")  # no speech; dubbed all the same
    add_sound(str(inputs / "pan.mp4"), tone(1.0), 16_000, str(tmp_path / "talking.mkv"))
    sound, pan = inputs / "short.wav", inputs / "pan.mp4"
    rows = [
        ("good-1", pan, sound), ("cut", tmp_path / "cut.mp4", sound), ("text", tmp_path / "text.mp4", sound),
        ("good-2", inputs / "portrait.jpg", sound), ("empty", tmp_path / "empty.mp4", sound),
        ("mute", pan, tmp_path / "mute.mp4"), ("rotten", tmp_path / "rotten.mp4", sound),
        ("nobody", tmp_path / "nobody.mp4", sound), ("good-3", pan, pan.parent / "en.ogg"),
        ("beep", pan, tmp_path / "beep.flac"), ("own", tmp_path / "talking.mkv", tmp_path / "talking.mkv"),
    ]  # fmt: skip
    table = manifest(tmp_path / "table.csv", rows)
    assert lipsync_ray("dub", table, "-o", tmp_path / "out", "--model", "mini") == 1
    results = {r.id: r for r in read_results(str(tmp_path / "out"))}
    assert list(results) == [row[0] for row in rows]
    assert {name for name, r in results.items() if r.status == "done"} == {"good-1", "good-2", "good-3", "beep", "own"}
    assert (results["beep"].frames, results["own"].frames) == (3, 25)
    assert results["nobody"].status == "no_face"
    expected = {
        "cut": ("probe", "damaged, cut off"),
        "text": ("probe", "another kind"),
        "empty": ("probe", "0 bytes"),
        "mute": ("audio features", "no audio stream"),
        "rotten": ("", "damaged"),
    }
    for name, (stage, reason) in expected.items():
        assert results[name].status == "failed"
        assert stage in (results[name].stage or "")
        assert reason in (results[name].error or ""), name
        assert f"{name}.mp4" in (results[name].error or "")
    # Mended, the same command makes just what is missing.
    kept = (tmp_path / "out" / "videos" / "good-1.mp4").stat().st_mtime_ns
    for name in ("cut", "text", "empty", "rotten"):
        (tmp_path / f"{name}.mp4").write_bytes(whole)
    capsys.readouterr()
    assert lipsync_ray("dub", table, "-o", tmp_path / "out", "--model", "mini") == 1
    results = {r.id: r for r in read_results(str(tmp_path / "out"))}
    assert {name for name, r in results.items() if r.status == "failed"} == {"mute"}
    assert (tmp_path / "out" / "videos" / "good-1.mp4").stat().st_mtime_ns == kept


@pytest.mark.parametrize(
    "model", [pytest.param("mini", marks=pytest.mark.nightly), "warp"]
)  # the first is shown a mouth that the second's way has closed
def test_frames_do_not_depend_on_segments_actors_or_engine(inputs, cluster, tmp_path, model):
    """Lossless, so that decoding shows what was encoded; faces are found anew by each engine."""
    video, audio = inputs / "pan.mp4", inputs / "en.ogg"
    digests = {}
    # That warp's do not depend on Ray either, test_three_nodes.py and faults.py see.
    ways = (("inline", 600, 1), ("inline", 1, 2), *([("ray", 1.3, 3)] if model == "mini" else []))
    for engine, segment, actors in ways:
        out = tmp_path / f"{engine}-{segment}"
        options = ("--model", model, "--crf", 0, "--segment", segment, "--actors", actors)
        assert lipsync_ray("dub", video, audio, "-o", out, *options, engine=engine) == 0
        (made,) = (out / "videos").iterdir()
        digests[engine, segment] = frame_digests(made)
        (table,) = (out / "faces").glob("*.parquet")
        (mesh,) = (out / "faces" / "meshes").glob("*.mesh")
        digests[engine, segment] += [table.read_bytes(), mesh.read_bytes()]
    first, *others = digests.values()
    assert len(first) > 100
    assert len(set(first)) > 100
    assert all(other == first for other in others)


def test_a_table_that_is_longer_than_a_wave_is_made_in_several(inputs, tmp_path, monkeypatch):
    """And rows that travel together make the same videos."""
    rows = [
        (f"{name}-{n}", inputs / f"{name}", inputs / "short.wav")
        for n in range(2)
        for name in ("pan.mp4", "portrait.jpg")
    ]
    table, options = manifest(tmp_path / "t.csv", rows), ("--model", "warp", "--crf", 0)
    assert lipsync_ray("dub", table, "-o", tmp_path / "whole", *options) == 0
    monkeypatch.setattr(job, "WAVE", 3)
    monkeypatch.setattr(bundles, "LEAST_BLOCKS", 1)
    monkeypatch.setattr(bundles, "BLOCKS_PER_WORKER", 0)
    assert lipsync_ray("dub", table, "-o", tmp_path / "waves", *options) == 0
    whole, waves = (read_results(str(tmp_path / name)) for name in ("whole", "waves"))
    assert [row.id for row in waves] == [row[0] for row in rows]
    assert [frame_digests(row.output) for row in waves] == [frame_digests(row.output) for row in whole]
    run = json.loads((tmp_path / "waves" / "run.json").read_text())
    assert run["detected_videos"] == 2
    assert {one["name"]: (one["done"], one["frames"]) for one in run["passes"] if one["name"] in ("faces", "lips")} == {
        "faces": (2, 101), "lips": (4, 200),
    }  # fmt: skip


def test_changed_settings_make_the_videos_again_from_the_same_faces(inputs, tmp_path, capsys):
    table = manifest(tmp_path / "t.csv", [("a", inputs / "pan.mp4", inputs / "short.wav")])
    assert lipsync_ray("dub", table, "-o", tmp_path / "out", "--model", "mini") == 0
    before = read_results(str(tmp_path / "out"))[0]
    capsys.readouterr()
    assert (
        lipsync_ray(
            "dub",
            table,
            "-o",
            tmp_path / "out",
            "--model",
            "mini",
            "--blend",
            "hard",
            "--length",
            "video",
            "--trim-silence",
        )
        == 0
    )
    after = read_results(str(tmp_path / "out"))[0]
    assert "faces detected" not in capsys.readouterr().out
    assert (before.frames, after.frames) == (50, 100)
    assert before.fingerprint != after.fingerprint
    assert after.tracks == 1


def test_a_checkpoint_that_is_none_stops_before_anything(inputs, tmp_path, capsys):
    page = tmp_path / "wav2lip_gan.pth"
    page.write_text("<!DOCTYPE html><html>")
    assert lipsync_ray("dub", inputs / "pan.mp4", inputs / "short.wav", "-o", tmp_path / "o.mp4", "--model", page) == 2
    assert "web page" in capsys.readouterr().err
    assert not (tmp_path / "o.mp4.run").exists()


def test_a_rule_that_a_model_does_not_have_is_refused(inputs, tmp_path, capsys):
    options = ("--model", "warp", "--reference", "current")
    assert lipsync_ray("dub", inputs / "pan.mp4", inputs / "en.ogg", "-o", tmp_path / "out", *options) == 2
    assert "warp is shown no reference" in capsys.readouterr().err


def test_a_second_language_finds_the_landmarks_of_the_first(inputs, tmp_path):
    made = []
    for audio, more in (("en.ogg", ()), ("short.wav", ("--no-close-in-silence",))):
        options = ("--model", "warp", "-o", tmp_path / "out", *more)
        assert lipsync_ray("dub", inputs / "pan.mp4", inputs / audio, *options, engine="inline") == 0
        (mesh,) = (tmp_path / "out" / "faces" / "meshes").glob("*.mesh")
        made.append(mesh.stat().st_mtime_ns)
    assert made[0] == made[1]
