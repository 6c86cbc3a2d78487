"""Options of face selection, cropping and blending. Imports no library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

FaceRule = Literal["largest", "center", "left", "right"]
"""Chooses one person by size or place."""
FaceChoice = FaceRule | Literal["all"]
DubbedFaces = Literal["auto", "speaking"] | FaceChoice
Blend = Literal["feather", "hard"]
ParsedBlend = Literal["jaw", "raw", "neck"]
PARSED_BLENDS: tuple[str, ...] = get_args(ParsedBlend)
MaskKind = Literal["ellipse", "parsing"]


@dataclass(frozen=True)
class Pads:
    """Growth of a face box before cropping, relative to its height; negative values shrink it.

    The 5 % below include the chin: Wav2Lip's ten pixels for a typical face, at any resolution.
    """

    top: float = 0.0
    bottom: float = 0.05
    left: float = 0.0
    right: float = 0.0
