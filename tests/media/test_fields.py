"""Interlaced video: a bar that moves from field to field stands in every frame where it was at that time."""

from fractions import Fraction

import numpy as np
import pytest
from clips import write_fields, write_video

from lipsync_ray.inputs.face_tables import key_of_pictures
from lipsync_ray.media import decode
from lipsync_ray.media.headers import read_video
from lipsync_ray.media.probe import probe_video

WIDTH, HEIGHT, STEP, BAR = 160, 96, 2, 8
FIELDS = 60


def bar(number):
    """(96, 160) uint8: a bar whose left edge is at 4 + 2 · number, beside lines that stand still."""
    picture = np.full((HEIGHT, WIDTH), 60, np.uint8)
    picture[:, 4 + STEP * number :][:, :BAR] = 200
    picture[-8:-4] = 120  # fine still lines: one field has them, the other one does not
    picture[-8:-4:2] = 40
    return picture


BARS = [bar(number) for number in range(FIELDS)]


def place_of(luma):
    """The field whose bar a picture shows, to a fraction of one."""
    columns = luma[8:-16].astype(float).mean(axis=0)
    weight = np.clip(columns - 90, 0, None)
    return ((weight * np.arange(WIDTH)).sum() / weight.sum() - 4 - (BAR - 1) / 2) / STEP


def places(info, start=0, stop=None):
    return [place_of(picture.y) for picture in decode.pictures(info, start, info.frames if stop is None else stop)]


@pytest.mark.parametrize("top_first", [True, False])
@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [
        ("a.mp4", "libx264", Fraction(25)),
        ("a.mkv", "libx264", Fraction(30000, 1001)),
        ("a.mpg", "mpeg2video", Fraction(25)),
        ("a.ts", "mpeg2video", Fraction(30000, 1001)),
        ("a.mov", "prores_ks", Fraction(25)),
    ],
)
def test_every_field_is_a_frame_at_its_time(tmp_path, name, codec, rate, top_first):
    pix_fmt = "yuv422p10le" if codec == "prores_ks" else "yuv420p"
    path = write_fields(tmp_path / name, BARS, codec, rate, top_first, pix_fmt=pix_fmt)
    info = probe_video(str(path), deinterlace="bwdif-fields")
    assert (info.rate, info.frames, info.interlaced) == (2 * rate, FIELDS, True)
    assert places(info) == pytest.approx(range(FIELDS), abs=0.25)
    header = read_video(str(path), Fraction(25), "bwdif-fields")
    assert header.rate == 2 * rate
    assert header.frames == pytest.approx(FIELDS, abs=2)
    assert key_of_pictures("k", header) == key_of_pictures("k", info) != "k"
    usual = probe_video(str(path))
    assert (usual.rate, usual.frames, usual.duration_s) == (rate, FIELDS // 2, info.duration_s)
    both = probe_video(str(path), deinterlace="bwdif")
    assert (both.rate, both.frames) == (rate, FIELDS // 2)
    for one in (usual, both):
        assert places(one) == pytest.approx(range(0, FIELDS, 2), abs=0.25)


@pytest.mark.parametrize("how", ["estdif", "bwdif", "bwdif-fields"])
def test_any_range_is_the_same_pictures(tmp_path, how):
    info = probe_video(str(write_fields(tmp_path / "a.mp4", BARS)), deinterlace=how)
    whole = list(decode.pictures(info, 0, info.frames))
    small = list(decode.small_rgb(info, 0, info.frames, 80, 48))
    last = info.frames - 1
    for start, stop in [
        (0, 1),
        (1, 2),
        (2, 4),
        (7, 8),
        (13, 17),
        (14, 16),
        (15, 16),
        (last - 1, last),
        (last, last + 1),
    ]:
        for found, same in zip(decode.pictures(info, start, stop), whole[start:stop], strict=True):
            assert np.array_equal(found.y, same.y), (start, stop)
            assert np.array_equal(found.u, same.u)
        for found, same in zip(decode.small_rgb(info, start, stop, 80, 48), small[start:stop], strict=True):
            assert np.array_equal(found, same)


def test_of_a_varying_rate_each_field_stands_at_its_time(tmp_path):
    stamps = [0, 1, 2, 5, 6, 7, 8, 11, 12, 13]
    info = probe_video(str(write_fields(tmp_path / "a.mkv", BARS[:20], stamps=stamps)), deinterlace="bwdif-fields")
    assert (info.rate, info.frames, info.varies) == (50, 28, True)
    begins = [2 * stamp + second for stamp in stamps for second in (0, 1)]
    shown = [max(field for field, begin in enumerate(begins) if begin <= place) for place in range(28)]
    assert places(info) == pytest.approx(shown, abs=0.25)
    for start, stop in [(7, 9), (9, 11), (21, 24), (27, 28)]:
        assert places(info, start, stop) == pytest.approx(shown[start:stop], abs=0.25)


def test_without_times_fields_are_counted(tmp_path):
    made = write_fields(tmp_path / "a.avi", BARS)
    info = probe_video(str(made), deinterlace="bwdif-fields")
    assert (info.order, info.frames, info.rate) == ("count", FIELDS, 50)
    assert any("its 30 frames were counted, at 25 a second" in note for note in info.notes)
    assert places(info) == pytest.approx(range(FIELDS), abs=0.25)
    for start in (5, 12, 13, 40, 41, 3, 59):  # ahead, and back
        assert places(info, start, start + 1) == pytest.approx([start], abs=0.25)


def test_across_a_reset_clock_fields_go_on(tmp_path):
    """Beside the joint bwdif sees the other recording."""
    shown = [number % FIELDS for number in range(200)]  # in the first 48 frames a reset counts as wrong times
    fields = [BARS[number] for number in shown]
    parts = [write_fields(tmp_path / f"{at}.ts", fields[at : at + 100], "mpeg2video").read_bytes() for at in (0, 100)]
    (tmp_path / "a.ts").write_bytes(b"".join(parts))
    info = probe_video(str(tmp_path / "a.ts"), deinterlace="bwdif-fields")
    assert (info.order, info.frames, info.rate) == ("joined", 200, 50)
    found = places(info)
    assert found == pytest.approx(shown, abs=0.25)
    for start in (5, 99, 100, 101, 145, 2):
        assert places(info, start, start + 1) == [found[start]]


def test_frames_flagged_as_progressive_stay_as_they_are_and_last_two_fields(tmp_path):
    path = write_fields(tmp_path / "a.mkv", BARS, "mpeg2video", progressive=range(10, 20))
    info = probe_video(str(path), deinterlace="bwdif-fields")
    own = [2 * (place // 2) if 20 <= place < 40 else place for place in range(FIELDS)]
    found = places(info)
    assert found == pytest.approx(own, abs=0.25)
    assert places(info, 21, 22) == [found[21]]


def test_both_fields_keep_what_one_does_not_have(tmp_path):
    """Lines of a still picture that are in one field alone."""
    path = str(write_fields(tmp_path / "a.mp4", BARS))

    def error(how):
        info = probe_video(path, deinterlace=how)
        shown = [picture.y[-8:-4].astype(int) for picture in decode.pictures(info, 2, info.frames - 2)]
        return max(np.abs(lines - BARS[0][-8:-4]).mean() for lines in shown)

    assert error("estdif") > 30
    assert max(error("bwdif"), error("bwdif-fields")) < 10


@pytest.mark.parametrize("how", ["estdif", "bwdif", "bwdif-fields"])
def test_a_progressive_video_is_the_same_however_others_are_deinterlaced(tmp_path, how):
    path = str(write_video(tmp_path / "a.mp4", [np.repeat(picture[:, :, None], 3, 2) for picture in BARS]))
    assert probe_video(path, deinterlace=how) == probe_video(path)


def test_a_row_says_what_became_of_its_fields(tmp_path):
    path = str(write_fields(tmp_path / "a.mp4", BARS))
    (usual,) = probe_video(path).notes
    (fields,) = probe_video(path, deinterlace="bwdif-fields").notes
    assert "as many frames as before" in usual
    assert "each field a frame" in fields
