"""Voice activity beside Silero's own network, and how silence is told to the lips."""

from fractions import Fraction
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from clips import write_audio

from lipsync_ray.inputs.audio_features import AudioSource, extract_audio_features
from lipsync_ray.media.audio import SoundTrack, speech_blocks
from lipsync_ray.media.sound_probe import probe_audio
from lipsync_ray.media.speech_mel import VOICE_CHUNK, VOICED
from lipsync_ray.models.voice import voice_blocks, voice_of

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "voice.npz"
SPEECH = str(resources.files("lipsync_ray.demo") / "data" / "en.ogg")


@pytest.fixture(scope="module")
def samples():
    return np.concatenate(list(speech_blocks(SoundTrack(SPEECH))))


def heard(blocks):
    return np.concatenate(list(voice_blocks(blocks)))


def test_it_hears_what_silero_hears(samples):
    theirs = np.load(GOLDEN)["probability"]
    ours = heard([samples])
    assert len(ours) == len(theirs)
    assert np.abs(ours - theirs).max() < 0.02  # weights in half precision
    assert ((ours >= 0.5) == (theirs >= 0.5)).mean() > 0.99


@pytest.mark.parametrize("size", [1, 511, 4096, 200_000])
def test_it_does_not_depend_on_how_a_sound_comes(samples, size):
    short = samples[: 3 * 16000 + 77]
    pieces = [short[at : at + size] for at in range(0, len(short), size)] if size > 1 else np.array_split(short, 997)
    np.testing.assert_allclose(heard(pieces), heard([short]), atol=1e-5)


def test_nobody_speaks_in_silence_and_beyond_the_end(tmp_path):
    source = AudioSource(SoundTrack(SPEECH), "k", False, str(tmp_path), voice=True)
    speech = extract_audio_features(source)
    rate = Fraction(25)
    end = int(speech.duration_s * rate)
    silence = speech.silence(np.arange(end + 50), rate)
    assert ((silence >= 0) & (silence <= 1)).all()
    assert silence[:end].mean() < 0.4
    assert (silence[end + 10 :] == 1).all()
    # A stretch by itself says the same.
    np.testing.assert_array_equal(speech.silence(np.arange(40, 90), rate), silence[40:90])
    assert extract_audio_features(source).voice_url == speech.voice_url


def test_a_sound_that_was_not_asked_says_nothing(tmp_path):
    speech = extract_audio_features(AudioSource(SoundTrack(SPEECH), "k", False, str(tmp_path)))
    assert speech.silence(np.arange(5), Fraction(30)).tolist() == [0] * 5


@pytest.mark.parametrize("gain", [-70, -40, 0, 30])
def test_a_voice_is_heard_at_any_level_and_noise_at_none(tmp_path, demo_inputs, gain):
    factor = np.float32(10 ** (gain / 20))
    spoken = np.concatenate(list(speech_blocks(str(demo_inputs / "en.ogg"))))[:48_000]
    hiss = np.random.default_rng(0).normal(0, 0.05, 48_000).astype(np.float32)
    shares = []
    for name, samples in (("voice", spoken), ("noise", hiss)):
        track = SoundTrack(str(write_audio(tmp_path / f"{name}.wav", samples * factor, codec="pcm_f32le")))
        shares.append(float((voice_of(track, probe_audio(track)) >= VOICED).mean()))
    assert shares[0] > 0.6
    assert shares[1] == 0


def test_what_was_said_before_a_silence_changes_nothing_after_it():
    rng = np.random.default_rng(0)
    speech = [rng.normal(0, 0.1, 40_000).astype(np.float32) for _ in range(3)]
    silence = np.zeros(16_000, np.float32)
    first, second = (
        np.concatenate(list(voice_blocks([before, silence, speech[2]]))) for before in (speech[0], speech[1])
    )
    changed = np.flatnonzero(first != second)
    assert len(changed)
    assert changed.max() * VOICE_CHUNK < 40_000 + 16_000
