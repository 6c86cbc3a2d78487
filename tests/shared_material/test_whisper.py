"""Whisper base with OpenAI's own numbers on real speech; skipped, with the reason, where its weights are not."""

import os
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import torch

from lipsync_ray.media.audio import SoundTrack, speech_blocks
from lipsync_ray.models import weights
from lipsync_ray.models.speech import Transcriber

pytestmark = pytest.mark.slow

VARIABLE = "LIPSYNC_RAY_WHISPER"  # of the notebook, too: a checkpoint's path


@pytest.fixture(scope="module")
def transcriber():
    here = Path(os.environ.get(VARIABLE) or weights.location(weights.find("whisper-base")))
    if not here.is_file():
        pytest.skip(f"needs Whisper base: lipsync-ray weights fetch whisper-base, or a checkpoint's path in {VARIABLE}")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield Transcriber(here, "cpu")
    torch.set_num_threads(threads)


def sound_of(path):
    return speech_blocks(SoundTrack(str(path)))


@pytest.mark.parametrize(
    ("name", "language"), [("jfk.flac", "en"), ("es.wav", "es"), ("ko.wav", "ko"), ("ar.wav", "ar")]
)
def test_languages_are_heard_and_word_salad_is_uncertain(transcriber, corpus, name, language):
    """What base writes down of these is certain; of Korean and Arabic it makes no English."""
    heard = transcriber(sound_of(corpus / "audio" / name))
    assert (heard.language, heard.others) == (language, ())
    assert heard.probability > 0.9
    assert not any(phrase.uncertain for phrase in heard.phrases)
    assert [bool(phrase.uncertain) for phrase in heard.english] == [language in ("ko", "ar")] * len(heard.english)


def test_a_crowd_without_a_speaker_has_no_language(transcriber, corpus):
    heard = transcriber(sound_of(corpus / "videos" / "crowd_1080p.mp4"))
    assert (heard.language, heard.phrases, heard.speech_s) == (None, (), 0.0)


def test_words_keep_their_place_between_pauses(transcriber):
    speech = np.concatenate(list(sound_of(resources.files("lipsync_ray.demo") / "data" / "en.ogg")))
    pause = np.zeros(20 * 16_000, np.float32)
    heard = transcriber([pause, speech, pause, speech, pause])
    starts = [phrase.start_s for phrase in heard.phrases if phrase.text.startswith("Hello")]
    assert starts == pytest.approx([20, 40 + len(speech) / 16_000], abs=0.6)
