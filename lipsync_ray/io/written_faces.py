"""Which face hears a voice, as a user writes it: a place in the frame, a person's number, or a time and a place."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, get_args

from lipsync_ray.io.written_turns import person_of

PlaceRule = Literal["largest", "center", "left", "right"]
"""Chooses one person by size or place."""
PLACE_RULES: tuple[str, ...] = get_args(PlaceRule)
READABLE = f"{', '.join(PLACE_RULES)}, a person such as person:1, or a time and a place in pixels such as 12.4s@640,320"

_POINT = re.compile(r"(\d+(?:\.\d+)?)\s*s?\s*@\s*(\d+(?:\.\d+)?)\s*[,x]\s*(\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class FacePoint:
    """A face by a time in seconds from the video's first frame, and a place in pixels from the frame's top left."""

    time_s: Fraction
    x: float
    y: float


@dataclass(frozen=True)
class VoiceLine:
    """When a line is spoken, in seconds from the video's first frame.

    Attributes
    ----------
    place : "line 7"
    """

    start_s: Fraction
    end_s: Fraction
    place: str


@dataclass(frozen=True)
class WrittenVoice:
    """A voice, and whose mouth is to say it.

    Attributes
    ----------
    face : as :func:`written_face` reads it, or another name; None for who the run chooses
    lines : when it is heard; None for all the time
    """

    face: str | None
    lines: tuple[VoiceLine, ...] | None = None


def written_face(text: str) -> PlaceRule | int | FacePoint | None:
    """A rule, a person's number, or a point; None of another name."""
    plain = text.strip().lower()
    for rule in get_args(PlaceRule):
        if plain == rule:
            return rule  # type: ignore[no-any-return]
    if (point := _POINT.fullmatch(plain)) is not None:
        return FacePoint(Fraction(point[1]), float(point[2]), float(point[3]))
    return person_of(plain)
