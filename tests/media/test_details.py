"""Details of media files: against ffprobe and volumedetect, and against tones whose level is known."""

from fractions import Fraction

import numpy as np
import pytest
from clips import tone, write_audio, write_video

from lipsync_ray.errors import ProbeError
from lipsync_ray.media.details import FLOOR_DBFS, get_audio_details, get_video_details

# As ffprobe 5.1 says: format, codec, width, height, r_frame_rate, avg_frame_rate, packets, seconds, varies
VIDEOS = {
    "anchor_224.avi": ("avi", "mpeg4", 224, 224, "25", "25", 317, 12.68, False),
    "crowd_1080p.mp4": ("mov,mp4", "h264", 1920, 1080, "25", "25", 105, 4.2, False),
    "hdtf_a.mp4": ("mov,mp4", "mpeg4", 512, 512, "25", "25", 200, 8.0, False),
    "hdtf_b.mp4": ("mov,mp4", "mpeg4", 512, 512, "25", "25", 200, 8.0, False),
    "no_face.mov": ("mov,mp4", "h264", 1920, 1080, "24000/1001", "24000/1001", 246, 10.26025, False),
    "odd_rate.mp4": ("mov,mp4", "h264", 700, 700, "30", "1350/61", 135, 6.1, True),
    "portrait_hevc_25.mp4": ("mov,mp4", "hevc", 1080, 1920, "25", "25", 250, 10.0, False),
    "portrait_hevc_30.mp4": ("mov,mp4", "hevc", 1080, 1920, "30", "30", 600, 20.0, False),
    "small_face_es.webm": ("matroska,webm", "vp9", 1280, 720, "25", "25", 276, 11.04, False),
    "square_590.mp4": ("mov,mp4", "h264", 590, 590, "25", "25", 125, 5.0, False),
}
# ffprobe: codec, Hz, channels, seconds; ffmpeg: volumedetect's mean and max, dB; ebur128's integrated loudness, LUFS
AUDIOS = {
    "ar.wav": ("pcm_s16le", 16000, 1, 10.651125, -30.9, -12.3, -31.0),
    "en.wav": ("pcm_s16le", 16000, 1, 54.739688, -18.1, -1.7, -17.7),
    "es.wav": ("pcm_s16le", 16000, 1, 29.522562, -18.1, -0.3, -17.8),
    "jfk.flac": ("flac", 44100, 2, 11.0, -16.9, -2.1, -12.5),
    "ko.wav": ("pcm_s16le", 16000, 1, 8.597, -26.8, -5.1, -26.2),
}


@pytest.mark.parametrize("name", VIDEOS)
def test_video_details_are_ffprobes(corpus, name):
    found = get_video_details(str(corpus / "videos" / name))
    container, codec, width, height, rate, average, frames, seconds, varies = VIDEOS[name]
    assert found.container.startswith(container)
    assert (found.codec, found.width, found.height, found.pixel_format) == (codec, width, height, "yuv420p")
    assert (found.rate, found.average_rate) == (Fraction(rate), Fraction(average))
    assert (found.frames, found.varies, found.has_audio, found.still) == (frames, varies, True, False)
    assert float(found.duration_s) == pytest.approx(seconds, abs=1e-3)
    assert found.bytes == (corpus / "videos" / name).stat().st_size
    assert found.bit_rate == pytest.approx(found.bytes * 8 / seconds, rel=1e-3)


@pytest.mark.parametrize("name", AUDIOS)
def test_audio_details_are_ffmpegs(corpus, name):
    found = get_audio_details(str(corpus / "audio" / name))
    codec, rate, channels, seconds, mean, peak, loudness = AUDIOS[name]
    assert (found.codec, found.sample_rate, found.channels) == (codec, rate, channels)
    assert float(found.duration_s) == pytest.approx(seconds, abs=1e-5)
    levels = (found.rms_dbfs, found.peak_dbfs, found.loudness_lufs)
    assert levels == pytest.approx((mean, peak, loudness), abs=0.06)


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
