"""One pair from file to file in codecs that keep more than 8-bit 4:2:0."""

import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

import lipsync_ray
from lipsync_ray import DubSettings, SettingsError, VideoCoding, Workers
from lipsync_ray.inputs.face_tables import key_of_pictures
from lipsync_ray.media import decode, tone
from lipsync_ray.media.choices import VideoCoding as Coding
from lipsync_ray.media.codecs import CODECS
from lipsync_ray.media.encode import encode
from lipsync_ray.media.headers import read_video
from lipsync_ray.media.kept_samples import keeping
from lipsync_ray.media.native import NativePicture
from lipsync_ray.media.picture import RGB_AS, Colour, YuvFrame, from_bgr
from lipsync_ray.media.probe import probe_video

DATA = Path(lipsync_ray.__file__).parent / "demo" / "data"
FRAMES, SIDE = 20, 256
PQ = Colour(9, 1, 9, 16)


def write_source(path, form, colour, alpha=False):
    """The demo's portrait, moving a little, with grain; of PQ where the colour says so."""
    portrait = next(decode.pictures(probe_video(str(DATA / "portrait.jpg")), 0, 1)).bgr()
    small = cv2.resize(portrait[:512], (SIDE + 24, SIDE + 24), interpolation=cv2.INTER_AREA).astype(np.float32)
    rng = np.random.default_rng(0)

    def pictures():
        for index in range(FRAMES):
            x, y = 12 + round(8 * np.sin(index / 5)), 12 + round(4 * np.cos(index / 6))
            bgr = small[y : y + SIDE, x : x + SIDE] + rng.normal(0, 1.5, (SIDE, SIDE, 1)).astype(np.float32)
            levels = tone.curved(bgr, "pq", forward=False) if colour == PQ else bgr
            yuv = from_bgr(np.ascontiguousarray(levels, np.float32), colour, SIDE) * 4
            planes = [yuv[..., 0], yuv[..., 1], yuv[..., 2]]
            if "420" in form:
                planes[1:] = [cv2.resize(one, (SIDE // 2,) * 2, interpolation=cv2.INTER_AREA) for one in planes[1:]]
            if alpha:
                planes.append(np.where(np.arange(SIDE) < 24, 200, 1023) * np.ones((SIDE, 1)))
            deep = tuple(np.clip(np.rint(one), 0, 1023).astype(np.uint16) for one in planes)
            empty = np.zeros((SIDE, SIDE), np.uint8), *(np.zeros((SIDE // 2,) * 2, np.uint8),) * 2
            yield YuvFrame(*empty, colour, NativePicture(deep, form, 10, colour, empty))

    path.write_bytes(encode(pictures(), Fraction(25), Fraction(1), Coding(codec="ffv1")))
    return path


def dub(source, out, **coding):
    settings = DubSettings(model="warp", length="video", coding=VideoCoding(**coding))
    (result,) = lipsync_ray.dub(
        source, DATA / "en.ogg", out, settings=settings, workers=Workers(engine="inline"), progress=False
    ).results
    assert result.status == "done", result.error
    return result


def test_a_header_and_a_probe_give_one_key(tmp_path):
    path = str(write_source(tmp_path / "a.mkv", "yuv420p10le", PQ))
    assert key_of_pictures("k", read_video(path, Fraction(25))) == key_of_pictures("k", probe_video(path)) != "k"


@pytest.mark.parametrize(
    ("form", "colour", "alpha"),
    [
        ("yuv420p10le", PQ, False),
        pytest.param("yuv444p10le", RGB_AS, False, marks=pytest.mark.nightly),
        pytest.param("yuva444p10le", RGB_AS, True, marks=pytest.mark.nightly),
    ],
)
def test_samples_where_nothing_is_drawn_are_the_sources_from_file_to_file(tmp_path, form, colour, alpha):
    source = write_source(tmp_path / "a.mkv", form, colour, alpha)
    result = dub(source, tmp_path / "out.mkv", codec="ffv1")
    assert not any("bits" in one or "HDR" in one or "transparent" in one for one in result.warnings)
    before, after = (keeping(probe_video(str(path)), Coding(codec="ffv1")) for path in (source, tmp_path / "out.mkv"))
    assert (after.pixel_format, after.colour) == (form, colour)
    changed = np.zeros((SIDE, SIDE), bool)
    for own, made in zip(decode.pictures(before, 0, FRAMES), decode.pictures(after, 0, FRAMES), strict=True):
        changed |= own.native.planes[0] != made.native.planes[0]
        if alpha:
            assert np.array_equal(own.native.planes[3], made.native.planes[3])
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    assert len(rows) > 40
    assert rows[0] > 60
    assert columns[0] > 40
    assert columns[-1] < SIDE - 40


def test_h264_of_hdr_is_sdr_and_says_so(tmp_path):
    source = write_source(tmp_path / "a.mkv", "yuv420p10le", PQ)
    result = dub(source, tmp_path / "out.mp4")
    assert any(
        "HDR (PQ): H.264 in 8 bits cannot keep it, so it was tone-mapped to SDR" in one for one in result.warnings
    )
    made = probe_video(str(tmp_path / "out.mp4"))
    assert made.colour == RGB_AS
    shown = next(decode.pictures(made, 0, 1)).bgr().astype(float)
    wanted = tone.in_bt709(next(decode.pictures(probe_video(str(source)), 0, 1))).bgr().astype(float)
    assert np.abs(shown - wanted)[:60].mean() < 4


def test_a_name_that_cannot_hold_the_codec_is_refused_before_anything_starts(tmp_path):
    with pytest.raises(SettingsError, match=r"\.mp4 cannot hold ProRes; expected a name that ends in \.mov or \.mkv"):
        dub(DATA / "portrait.jpg", tmp_path / "out.mp4", codec="prores")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("codec", "form"),
    [("hevc", "yuv420p10le"), ("av1", "yuv420p10le"), ("prores", "yuva444p10le"), ("ffv1", "yuva444p10le")],
)
def test_a_killed_run_goes_on_to_the_same_bytes(tmp_path, codec, form):
    """Killed twice, each time after another part."""
    source = write_source(tmp_path / "a.mkv", form, PQ if form == "yuv420p10le" else RGB_AS, "yuva" in form)
    ending = CODECS[codec].containers[0]
    whole, killed = tmp_path / f"whole.{ending}", tmp_path / f"killed.{ending}"

    def command(out):
        options = [
            "--model",
            "warp",
            "--length",
            "video",
            "--codec",
            codec,
            "--segment",
            "0.2",
            "--engine",
            "inline",
            "--actors",
            "1",
        ]
        return [sys.executable, "-m", "lipsync_ray", "dub", str(source), str(DATA / "en.ogg"), "-o", str(out), *options]

    subprocess.run(command(whole), check=True, capture_output=True, timeout=240)
    parts = Path(f"{killed}.run") / "parts"
    for enough in (1, 2):
        run = subprocess.Popen(command(killed), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while run.poll() is None and len(list(parts.rglob("*-*-*.*"))) < enough:
            time.sleep(0.02)
        run.kill()
        run.wait()
    assert not killed.exists()
    subprocess.run(command(killed), check=True, capture_output=True, timeout=240)
    assert killed.read_bytes() == whole.read_bytes()
