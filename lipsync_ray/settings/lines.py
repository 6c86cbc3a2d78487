"""What is done with lines that are longer than their slot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

from lipsync_ray.errors import SettingsError
from lipsync_ray.media.lines import Fit
from lipsync_ray.settings.checks import check_types, one_of, within

FITS: tuple[str, ...] = get_args(Fit)
MAX_STRETCH = 1.3


@dataclass(frozen=True)
class LineSettings:
    """What is done with lines that are longer than their slot.

    Attributes
    ----------
    fit : "cut" ends them there, "stretch" speaks them faster, "overlap" lets them sound on
    max_stretch : by how much faster "stretch" speaks, before it cuts, too; None for 1.3
    """

    fit: Fit = "cut"
    max_stretch: float | None = None

    def __post_init__(self) -> None:
        check_types(self)
        one_of("--fit", self.fit, FITS)
        within("--max-stretch", self.max_stretch, 1, 100)
        if self.max_stretch is not None and self.fit != "stretch":
            raise SettingsError(f"--max-stretch {self.max_stretch:g}: for --fit stretch alone; leave it out")

    @property
    def most(self) -> float:
        """The largest tempo."""
        return MAX_STRETCH if self.max_stretch is None else self.max_stretch

    def decides(self) -> tuple[Any, ...]:
        """What changes a sound."""
        return (self.fit, self.most) if self.fit == "stretch" else (self.fit,)
