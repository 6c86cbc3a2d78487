"""What is put into frames to tell that a computer drew in them: a mark that programs find, a label that people see."""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass
from typing import Any, Literal, get_args

from lipsync_ray.errors import SettingsError
from lipsync_ray.settings.checks import check_types, one_of, within

AUTO = "auto"
Corner = Literal["top-left", "top-right", "bottom-left", "bottom-right"]
CORNERS: tuple[str, ...] = get_args(Corner)
MOST_LETTERS = 120


@dataclass(frozen=True)
class MarkSettings:
    """What is put into frames besides what the model draws. By default nothing.

    Attributes
    ----------
    watermark : whether drawn frames get a mark that is not seen, and that says which row made them
    watermark_key : file of the key that it is made by; None for $LIPSYNC_WATERMARK_KEY, or else the key that everybody has
    label : a text that is shown, or "auto" for words in the row's language; None shows nothing
    label_seconds : how long, from the first frame on; None: throughout
    label_corner : where
    label_font : font file; None for one that is found, and has the letters
    """

    watermark: bool = False
    watermark_key: str | None = None
    label: str | None = None
    label_seconds: float | None = 5.0
    label_corner: Corner = "top-left"
    label_font: str | None = None

    def __post_init__(self) -> None:
        check_types(self)
        one_of("--label-corner", self.label_corner, CORNERS)
        if self.watermark_key is not None and not self.watermark:
            raise SettingsError("--watermark-key is for --watermark; add that, or leave the option out")
        given = {
            "--label-seconds": self.label_seconds != 5.0,
            "--label-corner": self.label_corner != "top-left",
            "--label-font": self.label_font is not None,
        }
        said = next((option for option, is_given in given.items() if is_given), None)
        if said and self.label is None:
            raise SettingsError(f"{said} is for --label TEXT or --label auto; add that, or leave the option out")
        if self.label_seconds is not None:
            if not math.isfinite(self.label_seconds):
                raise SettingsError(f"--label-seconds {self.label_seconds}: expected seconds, or all")
            within("--label-seconds", self.label_seconds, 0.1, 86400, "seconds, or all")
        if self.label is not None:
            _check_text(self.label)

    @property
    def any(self) -> bool:
        """Whether frames are changed."""
        return self.watermark or self.label is not None

    def record(self) -> dict[str, Any]:
        """What of it a run's record tells: nothing of where a key is."""
        if self.label is None:
            return {"watermark": self.watermark, "label": None}
        seconds = "all" if self.label_seconds is None else self.label_seconds
        shown = {"label": self.label, "label_seconds": seconds, "label_corner": self.label_corner}
        return {"watermark": self.watermark} | shown


def _check_text(text: str) -> None:
    if not text.strip():
        raise SettingsError("--label: the text is empty; expected words, or auto")
    if len(text) > MOST_LETTERS:
        raise SettingsError(
            f"--label: {len(text)} characters; expected {MOST_LETTERS} at most, which can be read in a corner"
        )
    if any(unicodedata.category(sign) in ("Cc", "Cs", "Co", "Cn") for sign in text):
        raise SettingsError(f"--label {text!r}: expected one line of letters, digits and signs")
