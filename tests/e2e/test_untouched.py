"""`--untouched copy`: groups of pictures without a drawn mouth are the source's own packets; the rest, and all that follows, is as ever."""

import csv
import itertools
import shutil
import subprocess
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
import s3fs
from clips import write_video
from commands import frame_digests, lipsync_ray

from lipsync_ray.io import storage
from lipsync_ray.io.results import read_results
from lipsync_ray.media import decode
from lipsync_ray.media.groups import GroupReader
from lipsync_ray.media.probe import probe_video

GROUP = 8  # frames
LINES = [(0.6, 1.0), (2.4, 2.9)]
EDGE = 5  # frames around a line that are made with it


def cues(folder, demo_inputs, *sounds):
    rows = [
        (*when, demo_inputs / f"{name}.ogg", start, start + when[1] - when[0])
        for when, (name, start) in zip(LINES, sounds, strict=True)
    ]
    with (folder / "cues.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("start", "end", "audio", "audio_start", "audio_end"), *rows])


def dub(folder, out, engine="inline"):
    return lipsync_ray("dub", folder / "t.csv", "-o", out, "--model", "warp", "--untouched", "copy", engine=engine)


def packets(path, number=0):
    """(presentation time in frames of 1/25 s, content) of each packet, in the file's order."""
    with av.open(str(path)) as container:
        stream = container.streams.video[number]
        return [
            (round(packet.pts * stream.time_base * 25), bytes(packet))
            for packet in container.demux(stream)
            if packet.dts is not None
        ]


def spoken_in(start, stop):
    """Whether a line is said in frames [start, stop)."""
    return any(start < high * 25 and stop > low * 25 for low, high in LINES)


@pytest.fixture(scope="module")
def pictures(demo_inputs):
    """100 frames of a person, 8-bit RGB."""
    info = probe_video(str(demo_inputs / "pan.mp4"))
    return [p.bgr()[..., ::-1] for p in decode.pictures(info, 0, 100)]


@pytest.fixture(scope="module")
def folder(pictures, demo_inputs, tmp_path_factory):
    """A source with a group of pictures every half second, lines, and the table of a dub."""
    folder = tmp_path_factory.mktemp("inputs")
    options = {"crf": "14", "x264-params": f"keyint={GROUP}:min-keyint={GROUP}:scenecut=0:bframes=4:b-adapt=0"}
    write_video(folder / "v.mp4", pictures, options=options)
    cues(folder, demo_inputs, ("en", 1.0), ("ko", 1.0))
    (folder / "t.csv").write_text("id,video,cues\nd,v.mp4,cues.csv\n")
    return folder


@pytest.fixture(scope="module")
def out(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "OUT"
    assert dub(folder, out) == 0
    return out


def test_groups_without_a_line_are_the_sources_packets(folder, out):
    (row,) = read_results(str(out))
    assert (row.status, row.frames, row.warnings) == ("done", 100, ())
    source, made = dict(packets(folder / "v.mp4")), dict(packets(row.output))
    groups = [range(start, min(100, start + GROUP)) for start in range(0, 100, GROUP)]
    still = [group for group in groups if not spoken_in(group[0], group[-1] + 1)]
    assert len(still) == 7
    assert all(made[frame] == source[frame] for group in still for frame in group)
    assert (row.copied_frames, row.reused_frames) == (sum(map(len, still)), 0)
    assert row.made_frames == 100 - row.copied_frames
    assert sum(part.stop - part.start for part in row.parts) == row.made_frames


def test_frames_at_a_seam_are_those_of_the_source_and_of_a_dub_without_copies(folder, out, tmp_path):
    """Frames of the copied groups are exactly the source's; the others differ from the encoded dub's by how they were encoded alone."""
    (row,) = read_results(str(out))
    whole = tmp_path / "OUT"
    assert lipsync_ray("dub", folder / "t.csv", "-o", whole, "--model", "warp") == 0
    (other,) = read_results(str(whole))
    assert (other.copied_frames, other.reused_frames, other.made_frames) == (0, 0, 100)
    assert other.drawn == row.drawn
    source, made = frame_digests(folder / "v.mp4"), frame_digests(row.output)
    encoded = {frame for part in row.parts for frame in range(part.start, part.stop)}
    assert [made[frame] == source[frame] for frame in range(100)] == [frame not in encoded for frame in range(100)]
    mine, theirs = (list(decode.pictures(probe_video(one.output), 0, 100)) for one in (row, other))
    errors = [np.abs(a.y.astype(int) - b.y.astype(int)).mean() for a, b in zip(mine, theirs, strict=True)]
    assert max(errors) < 3


def test_another_loudness_leaves_the_pictures_as_they_are(folder, out, tmp_path):
    copy = tmp_path / "OUT"
    shutil.copytree(out, copy)
    command = ("dub", folder / "t.csv", "-o", copy, "--model", "warp", "--untouched", "copy", "--loudness", "-20")
    assert lipsync_ray(*command, engine="inline") == 0
    (before,), (after,) = read_results(str(out)), read_results(str(copy))
    assert packets(after.output) == packets(before.output)
    assert frame_digests(after.output) == frame_digests(before.output)
    assert after.loudness_lufs == pytest.approx(-20, abs=0.5)
    assert (after.copied_frames, after.made_frames, after.parts) == (
        before.copied_frames,
        before.made_frames,
        before.parts,
    )


def test_ffmpeg_finds_no_fault_and_the_same_frames(out):
    (row,) = read_results(str(out))
    command = ["ffmpeg", "-v", "warning", "-xerror", "-err_detect", "explode", "-i", row.output, "-map", "0:v"]
    for threads in ("1", "4"):
        found = subprocess.run(
            [*command, "-f", "framemd5", "-threads", threads, "-"], capture_output=True, text=True, check=True
        )
        assert found.stderr == ""
        lines = [line.split(",") for line in found.stdout.splitlines() if not line.startswith("#")]
        assert [int(line[2]) for line in lines] == list(range(100))
        assert [line[-1].strip() for line in lines] == frame_digests(row.output)


def test_a_browser_shows_the_frames_at_every_seam_and_plays_over_them(out, page):
    (row,) = read_results(str(out))
    page.goto(f"file://{out}/")
    page.evaluate("url => { document.body.innerHTML = `<video muted src='${url}'></video>`; }", f"file://{row.output}")
    page.wait_for_function("document.querySelector('video').readyState > 1")
    seek = """time => new Promise((done, failed) => {
        const video = document.querySelector('video');
        video.onerror = () => failed(video.error.message);
        video.onseeked = () => requestAnimationFrame(() => requestAnimationFrame(done));
        video.currentTime = time;
    })"""
    made = [p.bgr()[..., 1].astype(int) for p in decode.pictures(probe_video(row.output), 0, 100)]
    for frame in sorted({near for part in row.parts for edge in (part.start, part.stop) for near in (edge - 1, edge)}):
        page.evaluate(seek, (frame + 0.5) / 25)
        for _ in range(10):  # a browser that has little of a processor paints the frame somewhat later
            shown = cv2.imdecode(np.frombuffer(page.locator("video").screenshot(), np.uint8), cv2.IMREAD_COLOR)[..., 1]
            errors = [np.abs(shown - made[near]).mean() for near in (frame - 1, frame, frame + 1)]
            if np.argmin(errors) == 1:
                break
            page.wait_for_timeout(200)
        assert np.argmin(errors) == 1, frame
        assert errors[1] < 1, frame
    page.evaluate(
        "() => { const video = document.querySelector('video'); video.currentTime = 0; return video.play(); }"
    )
    page.wait_for_function("document.querySelector('video').ended")


def test_a_changed_line_costs_its_own_frames(folder, out, demo_inputs, tmp_path):
    (first,) = read_results(str(out))
    before = dict(packets(first.output))
    cues(folder, demo_inputs, ("en", 1.0), ("ar", 1.0))
    assert dub(folder, out) == 0
    (second,) = read_results(str(out))
    assert second.fingerprint != first.fingerprint
    assert second.copied_frames == first.copied_frames
    assert second.reused_frames + second.made_frames == 100 - first.copied_frames
    assert second.made_frames <= 0.5 * 25 * 1.1 + 2 * EDGE
    (made,) = (part for part in second.parts if part not in first.parts)
    after = dict(packets(second.output))
    changed = [frame for frame in range(100) if before[frame] != after[frame]]
    assert made.start <= min(changed) <= max(changed) < made.stop
    assert dub(folder, tmp_path / "fresh") == 0
    (fresh,) = read_results(str(tmp_path / "fresh"))
    assert packets(fresh.output) == packets(second.output)


def test_a_run_that_ended_before_the_join_goes_on_there(folder, out, tmp_path, monkeypatch):
    def gone(self, start, stop):
        raise OSError("the store is gone")

    with monkeypatch.context() as patch:
        patch.setattr(GroupReader, "packets", gone)
        assert dub(folder, tmp_path / "OUT") == 1
    (failed,) = read_results(str(tmp_path / "OUT"))
    assert (failed.status, failed.stage) == ("failed", "join")
    assert dub(folder, tmp_path / "OUT") == 0
    (row,) = read_results(str(tmp_path / "OUT"))
    (whole,) = read_results(str(out))
    assert (row.copied_frames, row.made_frames) == (whole.copied_frames, 0)
    assert row.reused_segments == row.segments == whole.segments
    assert packets(row.output) == packets(whole.output)


@pytest.mark.nightly
def test_copied_groups_stay_as_they_are_in_a_file_of_several_languages(folder, tmp_path):
    (folder / "two.csv").write_text("id,video,cues,language\nd,v.mp4,cues.csv,en\ne,v.mp4,cues.csv,ko\n")
    words = ("dub", folder / "two.csv", "-o", tmp_path / "OUT", "--model", "warp", "--untouched", "copy", "--one-file")
    assert lipsync_ray(*words) == 0
    whole = tmp_path / "OUT/one-file/v.mp4"
    for number, name in enumerate(("d", "e")):
        assert packets(whole, number) == packets(tmp_path / f"OUT/videos/{name}.mp4")
    assert lipsync_ray(*words, "--provenance", "none") == 0
    assert packets(whole, 1) == packets(tmp_path / "OUT/videos/e.mp4")


@pytest.mark.nightly
@pytest.mark.usefixtures("cluster")
def test_on_ray_from_a_bucket_it_is_the_same(folder, demo_inputs, tmp_path):
    """More rows come than there would be without copies."""
    s3fs.S3FileSystem.clear_instance_cache()
    s3fs.S3FileSystem().mkdirs("untouched", exist_ok=True)
    storage.commit_bytes("s3://untouched/v.mp4", (folder / "v.mp4").read_bytes())
    cues(tmp_path, demo_inputs, ("en", 1.0), ("ko", 1.0))
    (tmp_path / "t.csv").write_text("id,video,cues\nd,s3://untouched/v.mp4,cues.csv\n")
    assert dub(tmp_path, "s3://untouched/out", engine="ray") == 0
    (row,) = read_results("s3://untouched/out")
    assert (row.status, row.copied_frames, row.made_frames) == ("done", 52, 48)
    (tmp_path / "d.mp4").write_bytes(storage.read_bytes(row.output))
    source, made = dict(packets(folder / "v.mp4")), dict(packets(tmp_path / "d.mp4"))
    assert sum(made[frame] == source[frame] for frame in range(100)) == 52


@pytest.mark.parametrize(
    ("name", "how", "said"),
    [
        (
            "hevc.mp4",
            {"codec": "libx265", "options": {"x265-params": "log-level=none"}},
            "the source is HEVC, not H.264",
        ),
        (
            "vary.mkv",
            {"stamps": [40 * n + 30 * (n // 10) for n in range(100)], "time_base": Fraction(1, 1000)},
            "the source has a variable frame rate",
        ),
        (
            "long.mp4",
            {"options": {"g": "250"}},
            "none of its 1 groups of pictures, of up to 4 s, is shown whole and without a drawn frame",
        ),
    ],
)
def test_a_source_that_does_not_fit_is_encoded_and_says_why(pictures, demo_inputs, tmp_path, name, how, said):
    write_video(tmp_path / name, pictures, **how)
    cues(tmp_path, demo_inputs, ("en", 1.0), ("ko", 1.0))
    (tmp_path / "t.csv").write_text(f"id,video,cues\nd,{name},cues.csv\n")
    assert dub(tmp_path, tmp_path / "OUT") == 0
    (row,) = read_results(str(tmp_path / "OUT"))
    assert (row.status, row.copied_frames, row.made_frames) == ("done", 0, row.frames)
    assert [note for note in row.warnings if "--untouched" in note] == [
        f"--untouched copy: every frame was encoded, because {said}"
    ]
    edges = [0, *(part.stop for part in row.parts)]
    assert [(part.start, part.stop) for part in row.parts] == list(itertools.pairwise(edges))
    assert edges[-1] == row.frames
