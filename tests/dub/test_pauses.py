"""In which stretches without a voice a mouth closes."""

from fractions import Fraction

import numpy as np
import pytest

from lipsync_ray.inputs.audio_features import VOICE_PER_S, Speech
from lipsync_ray.media.audio import SoundTrack, Span
from lipsync_ray.media.sound_probe import Sound

RATE = Fraction(25)


@pytest.fixture
def speech(tmp_path):
    """Ten seconds: a voice, half a second without, a voice to 3.5 s, five without, a voice."""
    at = np.arange(int(10 * VOICE_PER_S)) / float(VOICE_PER_S)
    voice = np.where((at < 2) | ((at > 2.5) & (at < 3.5)) | (at > 8.5), 0.9, 0.1).astype("<f4")
    path = tmp_path / "a.voice"
    path.write_bytes(voice.tobytes())
    sound = Sound("pcm", 16_000, 1, 160_000)
    return Speech(SoundTrack("a.wav"), sound, Span(0, 160_000), "a.mel", 801, voice_url=str(path), voiced=0.45)


def seconds(speech, pauses):
    return speech.silence(np.arange(250), RATE, pauses)


def test_every_pause(speech):
    silence = seconds(speech, "every")
    assert silence[56] == 1
    assert silence[150] == 1
    assert not silence[:48].any()


def test_only_long_ones(speech):
    silence = seconds(speech, "long")
    assert not silence[:87].any()  # half a second is a pause between words
    assert (silence[110:190] == 1).all()
    assert not silence[212:230].any()
    assert np.abs(np.diff(silence[80:220])).max() <= 0.2  # nothing jumps


def test_none(speech):
    assert not seconds(speech, "none").any()


@pytest.mark.parametrize("pauses", ["every", "long"])
def test_a_part_is_a_part_of_the_whole(speech, pauses):
    whole = seconds(speech, pauses)
    for low, high in ((0, 40), (90, 120), (199, 201), (240, 250)):
        assert np.array_equal(speech.silence(np.arange(low, high), RATE, pauses), whole[low:high])


def test_the_end_of_the_sound_is_a_long_pause(speech):
    assert (speech.silence(np.arange(270, 300), RATE, "long") == 1).all()
