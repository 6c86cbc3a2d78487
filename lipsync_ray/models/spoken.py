"""What a speech model hears, apart from the model: tables of it are read without torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

ENGLISH = "en"


@dataclass(frozen=True)
class Phrase:
    """A stretch of speech, and what Whisper thinks of its own words: numbers of the window of 30 s that it is in.

    Attributes
    ----------
    start_s, end_s : seconds from the stream's start
    text : what is said in it
    log_probability : mean natural logarithm of the words' probabilities
    compression_ratio : how many times gzip makes the text shorter
    temperature : at which the words were drawn, 0–1; 0: the likeliest ones
    no_speech_probability : that nobody speaks
    uncertain : why the text is not to be believed; None where nothing speaks against it
    """

    start_s: float
    end_s: float
    text: str
    log_probability: float | None = None
    compression_ratio: float | None = None
    temperature: float | None = None
    no_speech_probability: float | None = None
    uncertain: str | None = None


@dataclass(frozen=True)
class Transcript:
    """What was heard.

    Attributes
    ----------
    language : Whisper's code: "en", "ko", …; None where nobody speaks
    probability : that Whisper gives it, 0–1: mean over the places where it was asked
    phrases : as they were said
    english : translated to English; None where the model does not translate
    speech_s : seconds in which somebody speaks, by the voice detector
    others : languages that other places are in
    """

    language: str | None
    probability: float | None
    phrases: tuple[Phrase, ...]
    english: tuple[Phrase, ...] | None
    speech_s: float
    others: tuple[str, ...] = ()


def uncertain_share(phrases: Sequence[Phrase]) -> float:
    """How much of what is said is uncertain, 0–1, by its letters."""
    letters = [len(phrase.text) for phrase in phrases]
    doubted = sum(count for count, phrase in zip(letters, phrases, strict=True) if phrase.uncertain)
    return doubted / max(1, sum(letters))
