"""When a text of Whisper's is uncertain."""

import pytest

from lipsync_ray.models.doubts import doubts
from lipsync_ray.models.spoken import Phrase, uncertain_share

SURE = {"log_probability": -0.3, "compression_ratio": 1.4, "temperature": 0.0, "no_speech_probability": 0.1}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({}, None),
        ({"log_probability": -1.0, "compression_ratio": 2.4, "temperature": 0.4, "no_speech_probability": 0.6}, None),
        ({"log_probability": -1.25}, "improbable, -1.25 a token"),
        ({"compression_ratio": 8.44}, "repeats itself, compresses 8.4 times"),
        ({"temperature": 1.0}, "sampled at temperature 1.0"),
        ({"no_speech_probability": 0.72}, "no speech by 72%"),
        ({"temperature": 0.8, "log_probability": -2.0}, "improbable, -2.00 a token; sampled at temperature 0.8"),
    ],
)
def test_signs_of_the_paper(changed, reason):
    assert doubts("Good morning.", "en", **SURE | changed) == reason


def test_letters_that_do_not_belong():
    assert doubts("I saw the 안녕 สวัสดี", "en", **SURE) == "letters of Hangul, Thai"


def test_how_much_is_uncertain():
    phrases = (Phrase(0, 1, "a" * 30), Phrase(1, 2, "b" * 10, uncertain="improbable"))
    assert uncertain_share(phrases) == 0.25
    assert uncertain_share(()) == 0
