"""Details of media files, against tones whose level is known."""

import numpy as np
import pytest
from clips import tone, write_audio, write_video

from lipsync_ray.errors import ProbeError
from lipsync_ray.media.details import FLOOR_DBFS, get_audio_details, get_video_details


def test_levels_of_a_tone(tmp_path):
    sine = np.sin(2 * np.pi * 997 * np.arange(48_000 * 3) / 48_000).astype(np.float32)
    write_audio(tmp_path / "a.flac", np.concatenate((0.5 * sine, np.zeros(48_000 * 3, np.float32))), 48_000, "flac")
    found = get_audio_details(str(tmp_path / "a.flac"))
    assert found.peak_dbfs == pytest.approx(-6.02, abs=0.01)
    assert found.rms_dbfs == pytest.approx(-6.02 - 3.01 - 3.01, abs=0.01)  # a sine, half of the time
    assert found.silence == pytest.approx(0.5, abs=0.01)
    assert found.loudness_lufs == pytest.approx(
        -9.03, abs=0.3
    )  # as BS.1770 gives it for one channel; the gate leaves the silence out


def test_silence_has_a_floor(tmp_path):
    write_audio(tmp_path / "a.wav", np.zeros(16_000, np.float32))
    found = get_audio_details(str(tmp_path / "a.wav"))
    assert (found.peak_dbfs, found.rms_dbfs, found.silence) == (FLOOR_DBFS, FLOOR_DBFS, 1.0)
    assert found.loudness_lufs is None


def test_a_picture_and_a_turned_video(tmp_path):
    picture = np.full((40, 60, 3), 90, np.uint8)
    still = get_video_details(str(write_video(tmp_path / "a.png", [picture], codec="png", pix_fmt="rgb24")))
    assert (still.still, still.frames, still.width, still.height) == (True, 1, 60, 40)
    turned = get_video_details(str(write_video(tmp_path / "a.mp4", [picture] * 5, rotation=90)))
    assert (turned.width, turned.height, turned.rotation, turned.frames) == (40, 60, 90, 5)


def test_what_is_no_video_or_has_no_sound(tmp_path):
    write_audio(tmp_path / "a.wav", tone(0.5))
    with pytest.raises(ProbeError, match="no video stream"):
        get_video_details(str(tmp_path / "a.wav"))
    write_video(tmp_path / "a.mp4", [np.zeros((32, 32, 3), np.uint8)] * 3)
    with pytest.raises(ProbeError, match="no audio stream"):
        get_audio_details(str(tmp_path / "a.mp4"))
