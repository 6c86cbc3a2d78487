from fractions import Fraction

import cv2
import numpy as np
import pytest
from clips import barcode, read_barcode, write_video
from hypothesis import given
from hypothesis import strategies as st

from lipsync_ray.errors import DecodeError
from lipsync_ray.media import decode
from lipsync_ray.media.probe import probe_video


def indices(info, start, stop):
    return [read_barcode(picture.y) for picture in decode.pictures(info, start, stop)]


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.mp4", "libx264", {"g": "12", "bf": "3"}),
        ("a.mkv", "libx264", {"x264-params": "keyint=10:open-gop=1:bframes=3"}),
        ("b.mkv", "libx265", {"x265-params": "keyint=10:open-gop=1:log-level=none"}),
        ("a.webm", "libvpx-vp9", {"g": "15"}),
        ("a.avi", "mpeg4", {"g": "12"}),
    ],
)
def test_any_range_is_the_frames_it_says(tmp_path, name, codec, options):
    info = probe_video(str(write_video(tmp_path / name, [barcode(i) for i in range(60)], codec=codec, options=options)))
    for start, stop in [(0, 60), (0, 1), (59, 60), (1, 4), (9, 12), (10, 11), (25, 43), (47, 60)]:
        assert indices(info, start, stop) == list(range(start, stop)), (start, stop)


def test_a_varying_rate_shows_each_frame_as_long_as_its_time_says(tmp_path):
    stamps = [0, 1, 2, 5, 6, 7, 8, 11, 12, 13]
    path = write_video(tmp_path / "a.mkv", [barcode(i) for i in range(10)], Fraction(30), stamps=stamps)
    info = probe_video(str(path))
    shown = [max(i for i, stamp in enumerate(stamps) if stamp <= place) for place in range(14)]
    assert indices(info, 0, 14) == shown
    assert indices(info, 3, 5) == [2, 2]
    assert indices(info, 9, 12) == shown[9:12]


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_pictures_are_upright(tmp_path, rotation):
    upright = barcode(5, 64, 128)
    stored = np.rot90(upright, -rotation // 90)
    info = probe_video(str(write_video(tmp_path / "a.mp4", [stored] * 3, rotation=rotation)))
    picture = next(decode.pictures(info, 1, 2))
    assert (picture.width, picture.height) == (64, 128)
    assert np.abs(picture.bgr()[..., ::-1].astype(int) - upright).mean() < 8
    small = next(decode.small_rgb(info, 0, 1, 32, 64))
    assert small.shape == (64, 32, 3)
    assert np.abs(small[:, :, 0].astype(int) - upright[::2, ::2, 0]).mean() < 20


def test_odd_sizes_repeat_their_edge(tmp_path):
    picture = np.random.default_rng(0).integers(0, 255, (33, 47, 3), np.uint8)
    info = probe_video(str(write_video(tmp_path / "a.png", [picture], codec="png", pix_fmt="rgb24")))
    found = next(decode.pictures(info, 0, 1))
    assert (info.width, info.height, found.width, found.height) == (47, 33, 48, 34)
    assert np.array_equal(found.y[:, -1], found.y[:, -2])


@pytest.mark.parametrize("kind", ["png", "bmp", "jpg"])
def test_pictures_keep_their_colours(kind, tmp_path):
    smooth = cv2.resize(np.random.default_rng(0).integers(0, 255, (5, 6, 3), np.uint8), (96, 64))
    cv2.imwrite(str(tmp_path / f"a.{kind}"), smooth)
    found = next(decode.pictures(probe_video(str(tmp_path / f"a.{kind}")), 0, 1)).bgr()
    assert np.abs(found.astype(int) - cv2.imread(str(tmp_path / f"a.{kind}"))).mean() < 1.5


def test_backwards_and_jumping(tmp_path, monkeypatch):
    monkeypatch.setattr(decode, "REVERSE_BUFFER_BYTES", 10 * 128 * 64 * 3 // 2)
    info = probe_video(str(write_video(tmp_path / "a.mp4", [barcode(i) for i in range(40)])))
    wanted = [*range(30, 40), *range(38, 5, -1), 6, 7, 7, 7, 20, 3]
    assert [read_barcode(picture.y) for picture in decode.pictures_at(info, wanted)] == wanted


@given(st.lists(st.integers(0, 40), max_size=30))
def test_runs_are_what_they_are_cut_from(wanted):
    runs = decode.runs(wanted)
    assert [index for run in runs for index in run] == wanted
    for run in runs:
        steps = set(np.diff(run).tolist())
        assert steps <= set(range(decode.SKIPPED + 1)) or steps == {-1}


def test_a_range_outside_is_refused(tmp_path):
    info = probe_video(str(write_video(tmp_path / "a.mp4", [barcode(i) for i in range(5)])))
    with pytest.raises(ValueError, match="has 5"):
        list(decode.pictures(info, 3, 6))


@pytest.mark.parametrize("kind", ["noise", "zeros"])
def test_damage_in_the_middle_is_confined_to_its_group_of_pictures(tmp_path, kind):
    rng = np.random.default_rng(1)
    noisy = [rng.integers(0, 255, (64, 128, 3), np.uint8) for _ in range(50)]
    path = write_video(tmp_path / "a.mp4", noisy, options={"g": "10", "bf": "0", "sc_threshold": "0"})
    info = probe_video(str(path))
    whole = [picture.y.copy() for picture in decode.pictures(info, 0, 50)]
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 9000] = rng.integers(0, 255, 9000, np.uint8).tobytes() if kind == "noise" else bytes(9000)
    path.write_bytes(bytes(data))
    seen = decode.FrameIssues()
    list(decode.small_rgb(info, 0, 50, 64, 32, seen))
    damaged = [picture.y for picture in decode.pictures(info, 0, 50)]
    assert len(damaged) == 50
    differ = [number for number in range(50) if not np.array_equal(damaged[number], whole[number])]
    assert differ
    assert {number // 10 for number in differ} == {differ[0] // 10}
    assert seen.damaged or kind == "noise"  # noise may be a picture, to a decoder
    assert seen.damaged <= set(range(differ[0] // 10 * 10, differ[0] // 10 * 10 + 10))


def test_nothing_decodable_is_an_error_with_the_time(tmp_path):
    path = write_video(tmp_path / "a.mp4", [barcode(i) for i in range(50)], codec="mpeg4")
    info = probe_video(str(path))
    data = path.read_bytes()
    start = data.index(b"mdat") + 4
    end = data.index(b"moov") - 4
    path.write_bytes(data[:start] + bytes(end - start) + data[end:])
    with pytest.raises(DecodeError, match="damaged"):
        list(decode.pictures(info, 0, 50))
