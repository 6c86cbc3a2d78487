"""What a speech model hears, apart from the model: tables of it are read without torch."""

from __future__ import annotations

from dataclasses import dataclass

ENGLISH = "en"


@dataclass(frozen=True)
class Phrase:
    """A stretch of speech: seconds from the stream's start, and what is said in it."""

    start_s: float
    end_s: float
    text: str


@dataclass(frozen=True)
class Speech:
    """What was heard.

    Attributes
    ----------
    language : Whisper's code: "en", "ko", …
    probability : that Whisper gives it, 0–1, on the first thirty seconds
    phrases : as they were said
    english : translated to English; None where the model does not translate
    """

    language: str
    probability: float
    phrases: tuple[Phrase, ...]
    english: tuple[Phrase, ...] | None
