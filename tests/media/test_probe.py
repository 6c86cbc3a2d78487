import zlib
from fractions import Fraction

import av
import numpy as np
import pytest
from av.stream import Disposition
from clips import barcode, read_barcode, write_audio, write_video

from lipsync_ray.errors import ProbeError
from lipsync_ray.media.decode import pictures
from lipsync_ray.media.probe import probe_video
from lipsync_ray.media.stamps import nearest, pick_rate

PICTURES = [barcode(i) for i in range(20)]


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(24000, 1001), Fraction(30000, 1001), Fraction(60)])
def test_rate_and_count_are_exact(tmp_path, rate):
    info = probe_video(str(write_video(tmp_path / "a.mp4", PICTURES, rate)))
    assert (info.rate, info.frames, info.varies, info.still) == (rate, 20, False, False)
    assert info.duration_s == 20 / rate


@pytest.mark.parametrize(
    ("name", "codec"), [("a.avi", "mpeg4"), ("a.webm", "libvpx-vp9"), ("a.mkv", "libx265"), ("a.mov", "libx264")]
)
def test_containers(tmp_path, name, codec):
    info = probe_video(str(write_video(tmp_path / name, PICTURES, codec=codec)))
    assert (info.rate, info.frames, info.width, info.height) == (25, 20, 128, 64)


def test_a_varying_rate_is_seen_and_its_nominal_rate_taken(tmp_path):
    stamps = [0, 1, 2, 4, 5, 8, 9, 10, 12, 13, 14, 15, 17, 18, 19, 22, 23, 24, 26, 27]
    info = probe_video(str(write_video(tmp_path / "a.mkv", PICTURES, Fraction(30), stamps=stamps)))
    assert (info.rate, info.varies) == (30, True)
    assert abs(info.frames - 28) <= 1


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_size_is_that_of_the_upright_picture(tmp_path, rotation):
    info = probe_video(str(write_video(tmp_path / "a.mp4", PICTURES[:3], rotation=rotation)))
    assert info.rotation == rotation
    assert (info.width, info.height) == ((128, 64) if rotation == 180 else (64, 128))


@pytest.mark.parametrize("flagged", [None, 0, 1])
@pytest.mark.parametrize("kind", ["mkv", "mp4"])
def test_of_several_picture_streams_the_one_flagged_as_default_is_taken(kind, flagged, tmp_path):
    path = tmp_path / f"a.{kind}"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("libx264", rate=25) for _ in range(2)]
        for number, stream in enumerate(streams):
            stream.width, stream.height, stream.pix_fmt = 128, 64, "yuv420p"
            stream.disposition = Disposition.default if number == flagged else Disposition(0)
        for index in range(5):
            for number, stream in enumerate(streams):
                frame = av.VideoFrame.from_ndarray(barcode(index + 100 * number), format="rgb24")
                frame.pts, frame.time_base = index, Fraction(1, 25)
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode(None))
    first = 100 * (flagged or 0)
    found = [read_barcode(picture.y) for picture in pictures(probe_video(str(path)), 0, 5)]
    assert found == list(range(first, first + 5))


def test_a_picture_is_a_still_video(tmp_path):
    info = probe_video(str(write_video(tmp_path / "a.png", PICTURES[:1], codec="png", pix_fmt="rgb24")), Fraction(30))
    assert (info.still, info.frames, info.rate) == (True, 1, 30)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "empty"), (b"this is not a video", "not a readable"), (None, "no such file")],
)
def test_what_is_no_video_is_refused_with_the_reason(tmp_path, content, said):
    path = tmp_path / "a.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ProbeError, match=said) as caught:
        probe_video(str(path))
    assert str(path) in str(caught.value)


def test_a_file_cut_off_is_refused(tmp_path):
    whole = write_video(
        tmp_path / "a.mp4",
        [np.random.default_rng(i).integers(0, 255, (64, 128, 3), np.uint8) for i in range(60)],
        options={"movflags": "faststart"},
    )
    data = whole.read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(data[: len(data) // 2])
    with pytest.raises(ProbeError):
        probe_video(str(cut))


def test_audio_alone_has_no_video(tmp_path):
    path = write_audio(tmp_path / "a.wav", np.zeros(1600))
    with pytest.raises(ProbeError, match="no video stream"):
        probe_video(str(path))


def test_rates_are_picked():
    milliseconds = [0, 33, 67, 100, 133, 167, 200, 233]
    assert pick_rate(milliseconds, Fraction(1, 1000), Fraction(30), None) == 30
    assert pick_rate(milliseconds, Fraction(1, 1000), Fraction(1000), None) == 30  # a time base, not a rate
    ntsc = [round(i * 1001 / 30) for i in range(100)]
    assert pick_rate(ntsc, Fraction(1, 1000), None, None) in {Fraction(30000, 1001), Fraction(30)}
    assert pick_rate([0, 3, 6], Fraction(1, 90), None, None) == 30


@pytest.mark.parametrize(
    ("value", "expected"), [(Fraction(1, 2), 1), (Fraction(-1, 2), 0), (Fraction(5, 3), 2), (Fraction(4), 4)]
)
def test_nearest(value, expected):
    assert nearest(value) == expected


def test_a_picture_of_ten_thousand_megapixels_is_refused_before_it_is_decoded(tmp_path):
    def chunk(kind, data):
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    size = (100_000).to_bytes(4, "big")
    head = chunk(b"IHDR", size + size + bytes([1, 0, 0, 0, 0]))
    (tmp_path / "huge.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(9))) + chunk(b"IEND", b"")
    )
    with pytest.raises(ProbeError, match="10000000000 pixels"):
        probe_video(str(tmp_path / "huge.png"))
