"""Whisper base with OpenAI's own numbers on real speech; skipped, with the reason, where its weights are not."""

import os
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from lipsync_ray.media.audio import SoundTrack, speech_blocks
from lipsync_ray.models import weights
from lipsync_ray.models.speech import Transcriber

pytestmark = pytest.mark.slow

VARIABLE = "LIPSYNC_RAY_WHISPER"  # of the notebook, too: a checkpoint's path


@pytest.fixture(scope="module")
def transcriber():
    here = Path(os.environ.get(VARIABLE) or weights.location(weights.find("whisper-base")))
    if not here.is_file():
        pytest.skip(
            f"needs the weights of Whisper base: lipsync-ray weights fetch whisper-base, or their path in {VARIABLE}"
        )
    return Transcriber(here, "cpu")


def sound_of(path):
    return speech_blocks(SoundTrack(str(path)))


@pytest.mark.parametrize("language", ["en", "es", "ko", "ar"])
def test_the_demos_languages_are_heard(transcriber, language):
    heard = transcriber(sound_of(resources.files("lipsync_ray.demo") / "data" / f"{language}.ogg"))
    assert (heard.language, heard.others) == (language, ())
    assert heard.probability > 0.8
    assert not any(phrase.uncertain for phrase in heard.phrases)


def test_word_salad_is_uncertain(transcriber, corpus):
    heard = transcriber(sound_of(corpus / "audio" / "ar.wav"))
    assert not any(phrase.uncertain for phrase in heard.phrases)
    assert all(phrase.uncertain for phrase in heard.english)


def test_a_crowd_without_a_speaker_has_no_language(transcriber, corpus):
    heard = transcriber(sound_of(corpus / "videos" / "crowd_1080p.mp4"))
    assert (heard.language, heard.phrases, heard.speech_s) == (None, (), 0.0)


def test_words_keep_their_place_between_pauses(transcriber):
    speech = np.concatenate(list(sound_of(resources.files("lipsync_ray.demo") / "data" / "en.ogg")))
    pause = np.zeros(20 * 16_000, np.float32)
    alone, heard = transcriber([speech]), transcriber([pause, speech, pause])
    assert [phrase.text for phrase in heard.phrases] == [phrase.text for phrase in alone.phrases]
    assert heard.phrases[0].start_s == pytest.approx(alone.phrases[0].start_s + 20, abs=0.5)
