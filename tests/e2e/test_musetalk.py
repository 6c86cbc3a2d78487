"""MuseTalk from the command line on real video, its networks small and random: time, faces, splits, and what is kept."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from clips import read_sound, write_audio

sys.path.insert(0, str(Path(__file__).parent))
from commands import frame_digests, lipsync_ray

from lipsync_ray.io.results import read_results

pytest.importorskip("diffusers", reason="the extra `musetalk` is not installed")
pytest.importorskip("transformers", reason="the extra `musetalk` is not installed")
import small_musetalk

pytestmark = pytest.mark.slow
RATE = Fraction(30000, 1001)
SEEN, UNSEEN = 24, 9  # frames with the face, and black ones between two such stretches


def luma(path):
    """(n, h, w) of a video, by PyAV."""
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="gray") for frame in container.decode(video=0)])


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return small_musetalk.write(tmp_path_factory.mktemp("models"), parser=True)


@pytest.fixture(scope="module")
def inputs(corpus, tmp_path_factory):
    """A real face, then nobody, then the face again, at 29.97 frames/s; three sounds."""
    folder = tmp_path_factory.mktemp("musetalk")
    with av.open(str(corpus / "videos" / "square_590.mp4")) as container:
        frames = [
            frame.reformat(256, 256, "rgb24")
            for frame, _ in zip(container.decode(video=0), range(2 * SEEN), strict=False)
        ]
    black = [av.VideoFrame.from_ndarray(np.zeros((256, 256, 3), np.uint8), "rgb24")] * UNSEEN
    with av.open(str(folder / "face.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=RATE, options={"crf": "12"})
        stream.width = stream.height = 256
        for number, frame in enumerate((*frames[:SEEN], *black, *frames[SEEN:])):
            frame = av.VideoFrame.from_ndarray(frame.to_ndarray(), "rgb24")
            frame.pts, frame.time_base = number, 1 / RATE
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    samples, rate = read_sound(corpus / "audio" / "en.wav")
    for name, seconds in (("en", 3.01), ("es", 1.4)):  # longer than the video, and shorter
        write_audio(folder / f"{name}.wav", samples[rate : rate + round(seconds * rate)], rate)
    with (folder / "table.csv").open("w", newline="") as file:
        rows = [(name, folder / "face.mp4", folder / f"{name}.wav", name) for name in ("en", "es")]
        csv.writer(file).writerows([("id", "video", "audio", "language"), *rows])
    return folder


def arguments(inputs, models, *more):
    plain = ["--model", models, "--blend", "feather", "--crf", "0", "--precision", "fp32"]
    return ["dub", inputs / "table.csv", *plain, *more]


@pytest.fixture(scope="module")
def made(inputs, models, tmp_path_factory):
    out = tmp_path_factory.mktemp("made")
    assert lipsync_ray(*arguments(inputs, models), "-o", out) == 0
    return out


@pytest.mark.nightly
def test_on_ray_it_is_the_same(made, inputs, models, tmp_path, cluster):
    assert lipsync_ray(*arguments(inputs, models), "-o", tmp_path, engine="ray") == 0
    for path in (made / "videos").iterdir():
        assert frame_digests(tmp_path / "videos" / path.name) == frame_digests(path)


def test_every_dub_is_as_long_as_its_sound_and_frames_without_a_face_are_untouched(made, inputs):
    results = {row.id: row for row in read_results(str(made))}
    assert [results[name].status for name in ("en", "es")] == ["done", "done"]
    source = luma(inputs / "face.mp4")
    frames = len(source)
    # As many frames as begin before the sound ends: ⌈3.01 · 30000/1001⌉, ⌈1.4 · 30000/1001⌉.
    for name, count in (("en", 91), ("es", 42)):
        found = luma(made / "videos" / f"{name}.mp4")
        assert len(found) == results[name].frames == count
        turn = [at if at < frames else 2 * frames - 2 - at for at in range(2 * frames - 2)]  # there and back
        shown = [turn[i % len(turn)] for i in range(count)]
        changed = np.array([(np.abs(found[i].astype(int) - source[at]) > 2).mean() for i, at in enumerate(shown)])
        blank = np.array([SEEN <= at < SEEN + UNSEEN for at in shown])
        assert (changed[blank] == 0).all()
        assert (changed[~blank] > 0.02).all()  # none of them shows another frame's latents, or none
        assert results[name].faceless_frames == blank.sum()
        with av.open(str(made / "videos" / f"{name}.mp4")) as container:
            assert container.streams.video[0].average_rate == RATE


def test_after_a_frame_without_a_face_each_face_is_still_its_own(made, inputs):
    """The published code leaves such frames out of its latents, but not out of its frames: every later face is another's."""
    source, found = luma(inputs / "face.mp4"), luma(made / "videos" / "en.mp4")
    last = SEEN + UNSEEN + SEEN - 1
    upper = slice(0, 100)  # what lies above the drawn half is the frame's own
    assert np.abs(found[last][upper].astype(int) - source[last][upper]).mean() < 1


def test_the_encodings_of_a_video_are_made_once_for_all_its_languages(made):
    (index,) = (made / "faces" / "encodings").glob("*.json")
    parts = json.loads(index.read_text())["parts"]
    assert parts[-1][1] == 2 * SEEN + UNSEEN
    assert len(list(index.with_suffix("").glob("*.npz"))) == len(parts)
    passes = {one["name"]: one for one in json.loads((made / "run.json").read_text())["passes"]}
    assert passes["encode"]["frames_done"] == 2 * SEEN + UNSEEN
    assert passes["lips"]["frames_done"] == 91 + 42


@pytest.mark.nightly
@pytest.mark.parametrize("more", [("--segment", "0.4"), ("--segment", "1.1", "--actors", "2")])
def test_frames_do_not_depend_on_how_they_were_split(more, made, inputs, models, tmp_path):
    assert lipsync_ray(*arguments(inputs, models, *more), "-o", tmp_path, engine="inline") == 0
    for name in ("en", "es"):
        video = f"videos/{name}.mp4"
        assert frame_digests(tmp_path / video) == frame_digests(made / video)


@pytest.mark.nightly
def test_one_changed_language_is_drawn_by_the_encodings_that_are_there(made, inputs, models, capsys):
    """And a run that was killed goes on with the segments that it had committed."""
    with (inputs / "third.csv").open("w", newline="") as file:
        rows = [(name, inputs / "face.mp4", inputs / "en.wav", name) for name in ("en", "ko")]
        csv.writer(file).writerows([("id", "video", "audio", "language"), *rows])
    words = ["dub", inputs / "third.csv", *arguments(inputs, models, "--segment", "0.3")[2:], "-o", made]
    before = {path: path.stat().st_mtime_ns for path in (made / "faces" / "encodings").rglob("*.*")}
    driver = subprocess.Popen(
        [sys.executable, "-m", "lipsync_ray", *map(str, words), "--engine", "inline"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        deadline = time.monotonic() + 200
        while len(list((made / "parts").glob("ko/*.mp4"))) < 2:
            assert driver.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        driver.kill()
        driver.wait()
    finally:
        try:
            os.killpg(driver.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    assert lipsync_ray(*words, engine="inline") == 0
    results = {row.id: row for row in read_results(str(made))}
    assert results["ko"].reused_segments >= 2
    assert {path: path.stat().st_mtime_ns for path in (made / "faces" / "encodings").rglob("*.*")} == before
    assert frame_digests(made / "videos" / "ko.mp4") == frame_digests(made / "videos" / "en.mp4")


@pytest.mark.nightly
def test_where_the_parser_sees_no_face_the_row_says_so(inputs, models, tmp_path):
    """Random numbers see none, or everywhere: what is drawn is not looked at here, only that it is told."""
    out = tmp_path / "jaw"
    words = arguments(inputs, models)
    words[words.index("feather")] = "jaw"
    assert lipsync_ray(*words, "-o", out, engine="inline") == 0
    run = json.loads((out / "run.json").read_text())
    assert run["settings"]["blend"] == "jaw"
    assert (run["settings"]["bbox_shift"], run["settings"]["extra_margin"]) == (0, 10)
    masks = [np.load(path) for path in (out / "faces" / "encodings").rglob("*.npz")]
    unseen = any((part["lengths"] == 0).any() for part in masks)
    warned = [any("face parser saw no face" in said for said in row.warnings) for row in read_results(str(out))]
    assert warned == [unseen, unseen]
    assert sum(len(part["lengths"]) for part in masks) == 2 * SEEN


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--reference", "closed"), "musetalk is shown the frame as it is"),
        (("--close-in-silence",), "know no silence"),
        (("--pads", "0", "0.2", "0", "0"), "takes its box from landmarks"),
        (("--bbox-shift", "3"), "for --model musetalk-v1"),
        (("--extra-margin", "-1"), "expected 0 to 200 pixels"),
    ],
)
def test_options_that_would_do_nothing_are_refused(words, said, inputs, models, tmp_path, capsys):
    assert lipsync_ray(*arguments(inputs, models), *words, "-o", tmp_path / "x", engine="inline") == 2
    assert said in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("words", [("--blend", "jaw"), ("--bbox-shift", "1"), ("--extra-margin", "3")])
def test_what_is_musetalks_is_not_taken_by_others(words, inputs, tmp_path, capsys):
    assert lipsync_ray("dub", inputs / "table.csv", "--model", "mini", *words, "-o", tmp_path / "x") == 2
    assert "musetalk" in capsys.readouterr().err.lower()
