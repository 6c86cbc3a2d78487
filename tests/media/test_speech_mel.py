"""Speech reaches the project's own models alike, however it was recorded."""

import av
import numpy as np
import pytest
from clips import loudness_of, tone, write_audio

from lipsync_ray.media import mel, speech_bands
from lipsync_ray.media.audio import SoundTrack, Span, speech_blocks
from lipsync_ray.media.sound_probe import probe_audio
from lipsync_ray.media.speech_mel import LEVEL_LUFS, levelled_blocks, speech_mel


@pytest.fixture(scope="module")
def spoken(demo_inputs):
    """Four seconds of a voice, 16 kHz."""
    return np.concatenate(list(speech_blocks(str(demo_inputs / "en.ogg"))))[: 4 * 16_000]


def heard(path, span=None):
    track = SoundTrack(str(path))
    return np.concatenate(list(speech_mel(track, probe_audio(track), span)))


@pytest.fixture(scope="module")
def clean(spoken, tmp_path_factory):
    return heard(write_audio(tmp_path_factory.mktemp("clean") / "a.wav", spoken, codec="pcm_f32le"))


def off(columns, clean):
    """Mean difference where somebody speaks, in decibels."""
    loud = clean.max(axis=1) > 0
    return float(np.abs(columns[loud] - clean[loud]).mean()) * 100 / 8


@pytest.mark.parametrize("gain", [-70, -40, -20, 12, 40])
def test_any_level_is_one_level(tmp_path, spoken, clean, gain):
    """Above full scale, too: nothing on the way cuts it off."""
    louder = spoken * np.float32(10 ** (gain / 20))
    assert off(heard(write_audio(tmp_path / "a.wav", louder, codec="pcm_f32le")), clean) < 0.1


def test_it_is_brought_to_the_level_that_it_should_have(tmp_path, spoken):
    track = SoundTrack(str(write_audio(tmp_path / "a.wav", spoken * np.float32(0.01))))
    blocks = list(levelled_blocks(track, probe_audio(track), None, LEVEL_LUFS))
    assert loudness_of(16_000, blocks) == pytest.approx(LEVEL_LUFS, abs=0.1)


@pytest.mark.parametrize("gain", [12, 20])
def test_what_was_cut_off_is_nearer_than_it_was(tmp_path, spoken, clean, gain):
    loud = spoken * np.float32(10 ** (gain / 20)) / np.abs(spoken).max()
    path = write_audio(tmp_path / "a.wav", np.clip(loud, -1, 1))
    track = SoundTrack(str(path))
    cut = mel.mel_spectrogram(
        np.concatenate(list(levelled_blocks(track, probe_audio(track), None, LEVEL_LUFS, repair=False)))
    )
    assert off(heard(path), clean) < 0.97 * off(cut.T, clean)


def narrow(samples, rate):
    """As it comes from a recording at a lower rate."""
    for there, back in ((16_000, rate), (rate, 16_000)):
        resampler = av.AudioResampler(format="fltp", layout="mono", rate=back)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples[None]), format="fltp", layout="mono")
        frame.sample_rate = there
        samples = np.concatenate(
            [out.to_ndarray()[0] for out in (*resampler.resample(frame), *resampler.resample(None))]
        )
    return samples


@pytest.mark.parametrize("rate", [8_000, 11_025])
def test_what_a_telephone_leaves_out_is_filled_in(tmp_path, spoken, clean, rate):
    path = write_audio(tmp_path / "a.wav", narrow(spoken, rate), codec="pcm_f32le")
    levels = speech_bands.BandLevels()
    track = SoundTrack(str(path))
    plain = mel.mel_spectrogram(np.concatenate(list(levelled_blocks(track, probe_audio(track), None, LEVEL_LUFS)))).T
    levels.add(plain)
    assert levels.missing().any()
    assert not levels.missing()[10:50].any()
    count = min(len(plain), len(clean))
    assert off(heard(path)[:count], clean[:count]) < 0.6 * off(plain[:count], clean[:count])


def test_a_voice_with_all_of_its_bands_stays_as_it_is(clean):
    levels = speech_bands.BandLevels()
    levels.add(clean)
    assert not levels.missing().any()


def test_silence_and_what_is_no_speech_are_not_filled_in(tmp_path):
    assert (heard(write_audio(tmp_path / "s.wav", np.zeros(16_000, np.float32))) == mel.SILENCE).all()
    hum = heard(write_audio(tmp_path / "h.wav", 0.3 * tone(2, hertz=100.0)))
    assert hum[40:-40, 50:].max() < -2  # most bands are missing: nothing to go by


def test_a_part_of_a_sound_has_the_level_of_the_whole(tmp_path, spoken, clean):
    path = write_audio(tmp_path / "a.wav", np.concatenate((spoken[:16_000] * np.float32(0.1), spoken[16_000:])))
    part, whole = heard(path, Span(16_000, 64_000)), heard(path)[80:]
    assert np.abs(part[8:-8] - whole[8 : len(part) - 8]).max() < 0.02
