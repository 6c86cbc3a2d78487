"""What dub and enhance are both told: arithmetic, encoding, restoration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from lipsync_ray.errors import SettingsError
from lipsync_ray.faces.masks import MASKS, MaskKind
from lipsync_ray.media.encode import PRESETS, VideoCoding
from lipsync_ray.settings.checks import check_types, one_of, within

Precision = Literal["auto", "fp32", "bf16", "fp16"]
PRECISIONS: tuple[str, ...] = get_args(Precision)
Region = Literal["mouth", "face"]
REGIONS: tuple[str, ...] = get_args(Region)
MAX_CRF = 51


@dataclass(frozen=True)
class RestoreSettings:
    """How faces are restored.

    Attributes
    ----------
    model : a registered name or a checkpoint's path
    mask : "ellipse", or "parsing" (a network's outline of the face)
    region : "mouth" restores what lip-sync drew anew, "face" the whole of it
    strength : 0 leaves the frame as it is, 1 is the restored face alone
    """

    model: str = "gfpgan"
    mask: MaskKind = "ellipse"
    region: Region = "face"
    strength: float = 1.0

    def __post_init__(self) -> None:
        check_types(self)
        one_of("--restore-mask", self.mask, MASKS)
        one_of("--restore-region", self.region, REGIONS)
        if not 0 < self.strength <= 1:
            raise SettingsError(f"--restore-strength {self.strength}: expected more than 0, at most 1")


def check_coding(coding: VideoCoding) -> None:
    """Check what an encoder is told.

    Raises
    ------
    SettingsError
    """
    one_of("--preset", coding.preset, PRESETS)
    within("--crf", coding.crf, 0, MAX_CRF)
