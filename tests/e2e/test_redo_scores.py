"""What an evaluation finds faults in is made anew, and nothing else."""

import csv
import json
import shutil

import av
import numpy as np
import pytest
from clips import write_audio, write_video
from commands import lipsync_ray

from lipsync_ray.io.results import read_results
from lipsync_ray.io.scored import read_scored
from lipsync_ray.jobs.evaluate.scores import SCORES
from lipsync_ray.media import decode
from lipsync_ray.media.probe import probe_video

QUICK = ("--scorer", "mini-sync", "--fid", "none", "--previews", "0", "--min-track", "20")


@pytest.fixture(scope="module")
def table(demo_inputs, tmp_path_factory):
    """Two dubs of less than two seconds."""
    folder = tmp_path_factory.mktemp("inputs")
    with av.open(str(demo_inputs / "en.ogg")) as container:
        samples = np.concatenate([f.to_ndarray() for f in container.decode(audio=0)], axis=1)[0, : round(1.8 * 48000)]
    write_audio(folder / "short.wav", samples, 48000)
    rows = [(name, demo_inputs / f"{name}.mp4", folder / "short.wav", "en") for name in ("pan", "sway")]
    return written(folder / "t.csv", rows)


def written(path, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("id", "video", "audio", "language"), *rows])
    return path


def rows_of(table):
    with table.open() as file:
        return [tuple(row.values()) for row in csv.DictReader(file)]


def dub(table, out, *more):
    return lipsync_ray("dub", table, "-o", out, "--model", "warp", *more)


def blackened(path):
    """Frames 10 to 34 of a video become black."""
    info = probe_video(str(path))
    frames = [picture.bgr()[..., ::-1] for picture in decode.pictures(info, 0, info.frames)]
    frames[10:35] = [np.zeros_like(frames[0])] * 25
    with av.open(str(path)) as container:
        samples = np.concatenate([part.to_ndarray() for part in container.decode(audio=0)], axis=1)[0]
        rate = container.streams.audio[0].rate
    silent = write_video(path.with_name("silent.mp4"), frames)
    sound = write_audio(path.with_name("sound.wav"), samples, rate)
    with av.open(str(silent)) as pictures, av.open(str(sound)) as sounds, av.open(str(path), "w") as target:
        copies = {one: target.add_stream_from_template(one) for one in (pictures.streams.video[0],)}
        voice = target.add_stream("aac", rate=rate)
        for packet in pictures.demux(video=0):
            if packet.dts is not None:
                packet.stream = copies[pictures.streams.video[0]]
                target.mux(packet)
        for frame in sounds.decode(audio=0):
            target.mux(voice.encode(frame))
        target.mux(voice.encode(None))
    silent.unlink()
    sound.unlink()


@pytest.fixture(scope="module")
def judged(table, tmp_path_factory):
    """A run of which one video shows a second of black, and its evaluation."""
    folder = tmp_path_factory.mktemp("judged")
    assert dub(table, folder / "out") == 0
    blackened(folder / "out" / "videos" / "sway.mp4")
    assert lipsync_ray("evaluate", folder / "out", "-o", folder / "scores", *QUICK) == 0
    return folder


def faults(folder):
    return {score.id: [text.partition(":")[0] for text in score.faults] for score in SCORES.read_table(str(folder))}


def videos(out):
    return {path.name: path.stat().st_mtime_ns for path in (out / "videos").iterdir()}


def test_faults_are_found_where_they_are(judged):
    found = faults(judged / "scores")
    assert found["pan"] == []
    assert "picture" in found["sway"]
    assert "## Faults found" in (judged / "scores" / "metrics" / "tables.md").read_text()
    assert "Faults found" in (judged / "scores" / "report" / "index.html").read_text()


def test_what_has_faults_is_made_anew_by_other_options(judged, table, capsys):
    out, scores = judged / "out", judged / "scores"
    words = ("--redo", scores, "--crf", "30")
    assert lipsync_ray("dub", table, "-o", out, "--model", "warp", *words, "--dry-run") == 0
    assert "1 dubs of 1 videos to make; 1 are done" in capsys.readouterr().out
    before = videos(out)
    assert dub(table, out, *words) == 0
    after = videos(out)
    assert {name for name in after if after[name] != before[name]} == {"sway.mp4"}
    shown = capsys.readouterr().out
    assert "1 of 2 scored dubs have faults and are made anew by this command's options" in shown
    assert "sway: picture: a frame shows something else than the source's" in shown
    assert "by the evaluation, 1 of 2 dubs stay as they are" in shown
    assert "options that they had" not in shown
    assert "evaluation: picture" in json.loads((out / "reviewed.json").read_text())["sway"]["note"]

    assert dub(table, out, *words) == 0  # the same command again
    assert videos(out) == after

    capsys.readouterr()
    assert lipsync_ray("evaluate", out, "-o", scores, *QUICK) == 0
    assert faults(scores) == {"pan": [], "sway": []}
    assert "1 of 2 videos were scored before" in capsys.readouterr().out
    assert dub(table, out, "--redo", scores) == 0  # nothing has faults: all stay, whatever the options
    assert videos(out) == after
    assert "0 of 2 scored dubs have faults" in capsys.readouterr().out


@pytest.fixture
def copied(judged, table, tmp_path):
    """A run of its own with a black second, and its scores."""
    assert dub(table, tmp_path / "out") == 0
    blackened(tmp_path / "out" / "videos" / "pan.mp4")
    assert lipsync_ray("evaluate", tmp_path / "out", "-o", tmp_path / "scores", *QUICK) == 0
    return tmp_path


@pytest.mark.nightly
def test_the_same_options_are_named(copied, table, capsys):
    capsys.readouterr()
    assert dub(table, copied / "out", "--redo", copied / "scores") == 0
    assert "1 of them are made with the options that they had" in capsys.readouterr().out
    rows = {row.id: row for row in read_results(str(copied / "out"))}
    assert rows["pan"].reused_segments == 0


def test_what_was_made_anew_after_it_was_scored_stays(copied, table, capsys):
    out = copied / "out"
    review = copied / "review.csv"
    review.write_text("id,verdict,person,note,time\npan,redo,,,2036-10-11T12:00:00Z\n")
    assert dub(table, out, "--redo", review) == 0
    before = videos(out)
    capsys.readouterr()
    assert dub(table, out, "--redo", copied / "scores") == 0
    assert videos(out) == before
    assert "1 were made or reviewed after they were scored, and stay" in capsys.readouterr().out


def refused(capsys, table, out, scores):
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    assert dub(table, out, "--redo", scores) == 2
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before
    return capsys.readouterr().err


def test_scores_that_cannot_be_obeyed_change_nothing(copied, table, tmp_path, capsys):
    out, scores = copied / "out", copied / "scores"
    assert "the folder of a finished `lipsync-ray evaluate`" in refused(capsys, table, out, tmp_path / "nowhere")
    assert "holds a run of `lipsync-ray dub`" in refused(capsys, table, out, out)
    other = shutil.copytree(out, tmp_path / "other")
    assert "expected an evaluation of this run's own dubs" in refused(capsys, table, other, scores)
    stranger = written(tmp_path / "stranger.csv", [("tilt", *row[1:]) for row in rows_of(table)[:1]])
    assert "none of its dubs is one of the table's (tilt)" in refused(capsys, stranger, out, scores)
    record = json.loads((scores / "run.json").read_text())
    (scores / "run.json").write_text(json.dumps({**record, "ended": None}))
    assert "its evaluation has not ended" in refused(capsys, table, out, scores)


def test_dubs_that_the_table_no_longer_has_are_left_out(copied, table, tmp_path, capsys):
    shorter = written(tmp_path / "shorter.csv", [row for row in rows_of(table) if row[0] != "pan"])
    before = videos(copied / "out")
    capsys.readouterr()
    assert dub(shorter, copied / "out", "--redo", copied / "scores") == 0
    shown = capsys.readouterr().out
    assert "0 of 2 scored dubs have faults and are made anew" in shown
    assert "1 with faults are left out: the table does not have them" in shown
    assert videos(copied / "out") == before


@pytest.mark.nightly
def test_scores_name_what_could_not_be_scored(copied, table):
    (copied / "out" / "videos" / "pan.mp4").write_bytes(b"I am not a video.")
    assert lipsync_ray("evaluate", copied / "out", "-o", copied / "scores", *QUICK) == 1
    (pan,) = [dub for dub in read_scored(str(copied / "scores")).dubs if dub.id == "pan"]
    assert pan.faults[0].startswith("could not be scored: ")
