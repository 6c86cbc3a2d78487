"""Transcripts, without the speech model, so that tables of them can be read without torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

ENGLISH = "en"


@dataclass(frozen=True)
class Phrase:
    """A phrase, with Whisper's confidence in the 30 s window that contains it.

    Attributes
    ----------
    start_s, end_s : seconds from the stream's start
    text : transcript
    log_probability : mean natural logarithm of the tokens' probabilities
    compression_ratio : gzip ratio of the text
    temperature : sampling temperature, 0–1; 0 is greedy
    no_speech_probability : probability that nobody speaks, 0–1
    uncertain : why the text may be wrong; None if nothing indicates it
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
    """Transcript of a sound.

    Attributes
    ----------
    language : Whisper's code, such as "en" or "ko"; None without speech
    probability : of that language, 0–1; mean over the tested windows
    phrases : in order of time
    english : translation to English; None if the model does not translate
    speech_s : seconds of speech, by the voice detector
    others : languages of other parts
    """

    language: str | None
    probability: float | None
    phrases: tuple[Phrase, ...]
    english: tuple[Phrase, ...] | None
    speech_s: float
    others: tuple[str, ...] = ()


def uncertain_share(phrases: Sequence[Phrase]) -> float:
    """Share of uncertain text, 0–1, by number of letters."""
    letters = [len(phrase.text) for phrase in phrases]
    doubted = sum(count for count, phrase in zip(letters, phrases, strict=True) if phrase.uncertain)
    return doubted / max(1, sum(letters))
