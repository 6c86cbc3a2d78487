"""A changed line costs itself: all other parts are cut out of the earlier video, and the result is that of a run from nothing."""

import csv

import av
import numpy as np
import pytest
from commands import frame_digests, lipsync_ray

from lipsync_ray.io.results import read_results

LINES = [(0.3, 0.9), (1.8, 2.4), (3.2, 3.9)]


def write(table, inputs, sounds):
    rows = [
        (*when, inputs / f"{name}.ogg", start, start + when[1] - when[0])
        for when, (name, start) in zip(LINES, sounds, strict=True)
    ]
    with (table.parent / "cues.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("start", "end", "audio", "audio_start", "audio_end"), *rows])
    table.write_text(f"id,video,cues\nd,{inputs / 'pan.mp4'},cues.csv\n")


def dub(table, out, *more, model="warp"):
    return lipsync_ray("dub", table, "-o", out, "--model", model, *more)


def packets(path):
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.dts is not None]


@pytest.mark.parametrize("model", ["warp", pytest.param("mini", marks=pytest.mark.nightly)])
def test_a_changed_line_makes_only_its_own_frames_again(demo_inputs, tmp_path, model):
    table, out = tmp_path / "t.csv", tmp_path / "out"
    write(table, demo_inputs, [("en", 1.0), ("ko", 1.0), ("en", 3.0)])
    assert dub(table, out, model=model) == 0
    (first,) = read_results(str(out))
    before, old = frame_digests(first.output), packets(first.output)
    write(table, demo_inputs, [("en", 1.0), ("ar", 1.0), ("en", 3.0)])
    assert dub(table, out, model=model) == 0
    (second,) = read_results(str(out))
    assert second.segments - second.reused_segments == 1
    assert second.fingerprint != first.fingerprint
    after, new = frame_digests(second.output), packets(second.output)
    changed = np.flatnonzero([one != other for one, other in zip(before, after, strict=True)])
    assert changed.min() >= 1.8 * 25 - 5
    assert changed.max() <= 2.4 * 25 + 5
    (made,) = (part for part in second.parts if part not in first.parts)
    assert made.stop - made.start <= 0.6 * 25 * 1.1 + 10
    assert new[: made.start] == old[: made.start]
    assert new[made.stop :] == old[made.stop :]
    assert dub(table, tmp_path / "fresh", model=model) == 0
    (fresh,) = read_results(str(tmp_path / "fresh"))
    assert after == frame_digests(fresh.output)


def test_a_line_that_moves_leaves_other_lines_as_they_are(demo_inputs, tmp_path):
    table, out = tmp_path / "t.csv", tmp_path / "out"
    write(table, demo_inputs, [("en", 1.0), ("ko", 1.0), ("en", 3.0)])
    assert dub(table, out) == 0
    (first,) = read_results(str(out))
    lines = (tmp_path / "cues.csv").read_text()
    assert "1.8,2.4," in lines
    (tmp_path / "cues.csv").write_text(lines.replace("1.8,2.4,", "1.9,2.5,"))
    assert dub(table, out) == 0
    (second,) = read_results(str(out))
    kept = {(part.start, part.stop) for part in second.parts if part in first.parts}
    spoken = [(start * 25, stop * 25) for start, stop in (LINES[0], LINES[2])]
    assert all(any(low <= start and stop <= high for low, high in kept) for start, stop in spoken)
    assert dub(table, tmp_path / "fresh") == 0
    assert frame_digests(second.output) == frame_digests(read_results(str(tmp_path / "fresh"))[0].output)


def test_what_changes_every_frame_reuses_none(demo_inputs, tmp_path):
    table, out = tmp_path / "t.csv", tmp_path / "out"
    write(table, demo_inputs, [("en", 1.0), ("ko", 1.0), ("en", 3.0)])
    assert dub(table, out) == 0
    assert dub(table, out, "--crf", "30") == 0
    (row,) = read_results(str(out))
    assert row.reused_segments == 0
    assert dub(table, out, "--crf", "30", model="mini") == 0
    assert read_results(str(out))[0].reused_segments == 0


def test_an_earlier_video_that_is_gone_or_broken_is_no_loss(demo_inputs, tmp_path):
    table, out = tmp_path / "t.csv", tmp_path / "out"
    sounds = [("en", 1.0), ("ko", 1.0), ("en", 3.0)]
    for damage in ("gone", "broken"):
        write(table, demo_inputs, sounds)
        assert dub(table, out) == 0
        sounds[1] = ("ar", 0.5 if damage == "gone" else 0.7)
        write(table, demo_inputs, sounds)
        video = out / "videos" / "d.mp4"
        if damage == "gone":
            video.unlink()
        else:
            video.write_bytes(video.read_bytes()[:5000])
        assert dub(table, out) == 0
        (row,) = read_results(str(out))
        assert (row.status, row.reused_segments) == ("done", 0)
