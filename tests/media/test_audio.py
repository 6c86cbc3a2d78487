from fractions import Fraction

import numpy as np
import pytest
from clips import barcode, tone, write_audio, write_video

from lipsync_ray.errors import ProbeError
from lipsync_ray.media import audio
from lipsync_ray.media.audio import Span
from lipsync_ray.media.silence import trim_silence
from lipsync_ray.media.sound_probe import probe_audio


def joined(url, span=None):
    return np.concatenate([block for _, block in audio.blocks(str(url), span)], axis=1)


def test_samples_come_as_they_were_written(tmp_path):
    samples = tone(1.5, 22050)
    path = write_audio(tmp_path / "a.wav", samples, 22050)
    assert np.abs(joined(path)[0] - samples).max() < 1e-4
    sound = probe_audio(str(path))
    assert (sound.sample_rate, sound.channels, sound.samples, sound.duration_s) == (
        22050,
        1,
        len(samples),
        Fraction(3, 2),
    )


@pytest.mark.parametrize("span", [Span(0, 100), Span(5000, 9001), Span(23000, 10**6)])
def test_a_span_is_those_samples(tmp_path, span):
    path = write_audio(tmp_path / "a.flac", tone(1.5), codec="flac")
    assert np.array_equal(joined(path, span), joined(path)[:, span.start : span.stop])


def test_speech_is_mono_at_16_khz(tmp_path):
    path = write_audio(tmp_path / "a.wav", np.stack([tone(1, 48000), np.zeros(48000, np.float32)]), 48000)
    speech = np.concatenate(list(audio.speech_blocks(str(path))))
    assert len(speech) == 16000
    middle = speech[4000:12000]
    assert abs(np.abs(middle).max() - 0.25) < 0.01


def test_silence_at_the_ends_is_found(tmp_path):
    quiet = np.zeros(16000, np.float32)
    path = write_audio(tmp_path / "a.wav", np.concatenate((quiet, tone(1), quiet)))
    span = trim_silence(str(path), probe_audio(str(path)))
    assert abs(span.start - 14400) <= 160
    assert abs(span.stop - 33600) <= 160


def test_a_silent_file_is_kept_whole(tmp_path):
    path = write_audio(tmp_path / "a.wav", np.zeros(8000, np.float32))
    assert trim_silence(str(path), probe_audio(str(path))) == Span(0, 8000)


def test_a_video_without_sound_is_refused(tmp_path):
    path = write_video(tmp_path / "a.mp4", [barcode(0)] * 3)
    with pytest.raises(ProbeError, match="no audio stream"):
        probe_audio(str(path))
