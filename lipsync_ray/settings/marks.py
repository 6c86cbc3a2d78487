"""What is put into frames to tell that a computer drew in them: a mark that programs find, a label that people see."""

import unicodedata
from dataclasses import dataclass
from typing import Annotated, Any

from lipsync_ray.errors import SettingsError
from lipsync_ray.media.choices import Corner
from lipsync_ray.settings.checks import check
from lipsync_ray.settings.options import Option, described

AUTO = "auto"
MOST_LETTERS = 120
_PANEL = "Provenance"


@described
@dataclass(frozen=True)
class MarkSettings:
    """What is put into frames besides what the model draws. By default nothing."""

    watermark: Annotated[
        bool,
        Option("Mark the pixels of drawn frames invisibly; lipsync-ray inspect finds the mark.", panel=_PANEL),
    ] = False
    watermark_key: Annotated[
        str | None,
        Option(
            "Key file of the mark, on every node. Default: $LIPSYNC_WATERMARK_KEY, else a public key.", panel=_PANEL
        ),
    ] = None
    label: Annotated[
        str | None,
        Option("Text shown in a corner; auto: a notice that AI was used, in the row's language.", panel=_PANEL),
    ] = None
    label_seconds: Annotated[
        float | None,
        Option(
            "Show the label for so many seconds from the first frame, or for all.",
            panel=_PANEL,
            least=0.1,
            most=86400,
            unit="seconds",
            none="all",
        ),
    ] = 5.0
    label_corner: Annotated[Corner, Option("Corner of the label.", panel=_PANEL)] = "top-left"
    label_font: Annotated[
        str | None,
        Option("Font file of the label. Default: an installed font that has the letters.", panel=_PANEL),
    ] = None

    def __post_init__(self) -> None:
        check(self)
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
