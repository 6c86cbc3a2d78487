"""Groups of pictures: which can be copied, that their packets are the source's, and what a video made of them and of parts shows."""

import io
import itertools
import re
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
from clips import barcode, write_video

from lipsync_ray.errors import EncodeError
from lipsync_ray.media import decode
from lipsync_ray.media.choices import VideoCoding
from lipsync_ray.media.cut import Cutter
from lipsync_ray.media.encode import encode
from lipsync_ray.media.groups import GroupReader, find_groups
from lipsync_ray.media.join import Copies, Part, join
from lipsync_ray.media.probe import probe_video

FRAMES = 60
KEYS = "keyint=13:min-keyint=13:scenecut=0:"
WAYS = {
    "usual": {"x264-params": KEYS},
    "many references": {"x264-params": KEYS + "bframes=8:b-adapt=0:ref=8:b-pyramid=normal"},
    "no reordering": {"profile": "baseline", "x264-params": KEYS},
    "slices": {"profile": "main", "x264-params": KEYS + "slices=3"},
    "sets in packets": {"x264-params": KEYS + "repeat-headers=1:aud=1"},
    "scaling lists": {"x264-params": KEYS + "cqm=jvt"},
    "other tools": {"x264-params": KEYS + "weightp=0:8x8dct=0:cabac=0:deblock=3,3:chroma-qp-offset=5"},
    "key frames": {"x264-params": "keyint=1"},
}


def moving(number):
    """A picture with its number in it, and a bar that moves over noise."""
    picture = barcode(number, 192, 96)
    picture[40:] = np.random.default_rng(number // 9).integers(60, 190, (56, 192, 1), np.uint8)
    picture[60:80, number * 5 % 170 :][:, :20] = 240
    return picture


def source(path, frames=FRAMES, **how):
    return write_video(path, [moving(number) for number in range(frames)], **how)


def digests(path, threads="SLICE"):
    """(times, pixels) of a file's decoded frames."""
    with av.open(io.BytesIO(path) if isinstance(path, bytes) else str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type, stream.codec_context.thread_count = threads, 3
        frames = list(container.decode(stream))
        return [f.pts * stream.time_base for f in frames], [f.to_ndarray(format="yuv420p").tobytes() for f in frames]


def joined(info, groups, copied, target, coding=None):
    """Join a video of copied groups and, between them, parts; its parts by their ranges."""
    edges = sorted({0, FRAMES, *itertools.chain(*copied)})
    starts = {start for start, _ in copied}
    ranges = [bounds for bounds in itertools.pairwise(edges) if bounds[0] not in starts]
    parts = {
        bounds: encode(
            decode.pictures(info, *bounds),
            info.rate,
            info.pixel_aspect,
            coding or VideoCoding(),
            sets_id=groups.sets_id,
        )
        for bounds in ranges
    }
    order = [Part(start, lambda data=data: data) for (start, _), data in parts.items()]
    assert join(order, info.rate, None, target, copies=Copies(info, groups, tuple(copied))) == FRAMES
    return parts


@pytest.mark.parametrize("container", ["mp4", "mkv", "ts"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("first", "preset"), [(0, "veryfast"), (1, "ultrafast")])
def test_a_video_of_groups_and_parts_shows_the_frames_of_both(tmp_path, container, way, first, preset):
    path = source(tmp_path / f"a.{container}", options=WAYS[way])
    info = probe_video(str(path))
    groups = find_groups(info)
    length = 7 if way == "key frames" else 13  # a quarter of a second
    assert groups.bounds == tuple((start, min(FRAMES, start + length)) for start in range(0, FRAMES, length))
    parts = joined(info, groups, groups.bounds[first::2], tmp_path / "out.mp4", VideoCoding(preset=preset))
    want = digests(path)[1]
    for (start, stop), data in parts.items():
        want[start:stop] = digests(data)[1]
    times, got = digests(tmp_path / "out.mp4")
    assert times == [number / info.rate for number in range(FRAMES)]
    assert got == want
    assert digests(tmp_path / "out.mp4", "FRAME") == (times, want)
    cutter = Cutter((tmp_path / "out.mp4").read_bytes(), info.rate, groups.sets_id)
    again = [Part(start, lambda s=start, e=stop: cutter.part(s, e)) for start, stop in parts]
    copies = Copies(info, groups, groups.bounds[first::2])
    assert join(again, info.rate, None, tmp_path / "again.mp4", copies=copies) == FRAMES
    assert (tmp_path / "again.mp4").read_bytes() == (tmp_path / "out.mp4").read_bytes()


def copied(path, target, earlier=0, **options):
    """A copy of a file's packets, whose times are so many frames earlier."""
    with av.open(str(path)) as reading, av.open(str(target), "w", options=options) as writing:
        stream = reading.streams.video[0]
        step = int(earlier / 25 / stream.time_base)
        copy = writing.add_stream_from_template(stream)
        for packet in reading.demux(stream):
            if packet.dts is not None:
                packet.pts, packet.dts, packet.stream = packet.pts - step, packet.dts - step, copy
                writing.mux(packet)
    return target


@pytest.mark.parametrize("flags", ["faststart", "frag_keyframe+empty_moov+default_base_moof"])
def test_packets_of_an_mp4_are_the_same_bytes(tmp_path, flags):
    path = copied(source(tmp_path / "b.mp4", options=WAYS["usual"]), tmp_path / "a.mp4", movflags=flags)
    info = probe_video(str(path))
    groups = find_groups(info)
    with av.open(str(path)) as container:
        own = [bytes(packet) for packet in container.demux(video=0) if packet.dts is not None]
    with GroupReader(info, groups.sets) as reader:
        for start, stop in (groups.bounds[3], groups.bounds[1], groups.bounds[4], groups.bounds[0]):  # in any order
            assert [packet.content for packet in reader.packets(start, stop)] == own[start:stop]
        assert [packet.content for packet in reader.packets(13, 52)] == own[13:52]  # several groups
        with pytest.raises(EncodeError, match="no IDR frame at frame 14"):
            list(reader.packets(14, 26))
        with pytest.raises(EncodeError, match="are not in sequence"):
            list(reader.packets(52, 70))


def test_a_group_that_refers_to_earlier_frames_is_part_of_the_one_before(tmp_path):
    path = source(tmp_path / "a.mp4", options={"x264-params": KEYS + "open-gop=1:bframes=3:b-adapt=0"})
    with av.open(str(path)) as container:
        assert sum(packet.is_keyframe for packet in container.demux(video=0)) > 2
    assert find_groups(probe_video(str(path))).bounds == ((0, FRAMES),)


def test_frames_that_an_edit_hides_are_in_no_group(tmp_path):
    """The beginning of a file that was cut without encoding is decoded, not shown."""
    path = copied(source(tmp_path / "a.mp4", options=WAYS["usual"]), tmp_path / "b.mp4", earlier=5)
    info = probe_video(str(path))
    assert info.frames == FRAMES - 5
    assert find_groups(info).bounds[0] == (8, 21)


PLAIN = {"options": {"x264-params": KEYS}}


@pytest.mark.parametrize(
    ("name", "how", "reason"),
    [
        ("a.mp4", {"codec": "libx265", "options": {"x265-params": "log-level=none"}}, "the source is HEVC, not H.264"),
        ("a.webm", {"codec": "libvpx-vp9"}, "the source is VP9, not H.264"),
        ("a.mp4", PLAIN | {"rotation": 90}, "the source is turned when it is shown"),
        ("a.mp4", PLAIN | {"pix_fmt": "yuv420p10le"}, "its pixels are yuv420p10le, not 8-bit 4:2:0"),
        ("a.mp4", PLAIN | {"pix_fmt": "yuv444p"}, "its pixels are yuv444p, not 8-bit 4:2:0"),
        ("a.mp4", {"options": {"qp": "0"}}, r"its H\.264 profile is not Baseline"),
        ("a.mp4", {"options": {"x264-params": "interlaced=1"}}, "the source is interlaced"),
        (
            "a.mp4",
            {"options": {"x264-params": "fake-interlaced=1"}},
            "its frames may be stored as fields|is interlaced",
        ),
        (
            "a.mkv",
            PLAIN | {"stamps": [40 * n + 30 * (n // 7) for n in range(FRAMES)], "time_base": Fraction(1, 1000)},
            "the source has a variable frame rate",
        ),
        ("a.avi", {"options": {"bf": "2"}}, "the times of its frames are missing, wrong or reset"),
    ],
)
def test_what_cannot_be_copied_says_why(tmp_path, name, how, reason):
    groups = find_groups(probe_video(str(source(tmp_path / name, **how))))
    assert re.search(reason, groups.reason)
    assert (groups.bounds, groups.sets, groups.sets_id) == ((), None, 0)


def test_a_stream_whose_sets_change_is_not_copied(tmp_path):
    """Two encodings with the same ids, one after another in a transport stream."""
    each = [source(tmp_path / f"{n}.ts", options={"x264-params": KEYS + f"ref={1 + 3 * n}"}) for n in range(2)]
    (tmp_path / "both.ts").write_bytes(b"".join(path.read_bytes() for path in each))
    info = probe_video(str(tmp_path / "both.ts"))
    assert info.order == "joined"
    assert "missing, wrong or reset" in find_groups(info).reason
    assert find_groups(replace(info, order="stamps")).reason == "its parameter sets change within the stream"
