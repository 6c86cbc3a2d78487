"""What is done with lines that are longer than their slot."""

from dataclasses import dataclass
from typing import Annotated, Any

from lipsync_ray.errors import SettingsError
from lipsync_ray.media.choices import Fit
from lipsync_ray.settings.checks import check
from lipsync_ray.settings.options import Option, described

MAX_STRETCH = 1.3


@described
@dataclass(frozen=True)
class LineSettings:
    """What is done with lines that are longer than their slot."""

    fit: Annotated[
        Fit,
        Option(
            "A line of a table's column cues that is longer than its slot: cut it, stretch (speak faster, then cut), or let it overlap.",
            panel="Length",
        ),
    ] = "cut"
    max_stretch: Annotated[
        float | None,
        Option("For --fit stretch: how much faster at most. Default: 1.3.", panel="Length", least=1, most=100),
    ] = None

    def __post_init__(self) -> None:
        check(self)
        if self.max_stretch is not None and self.fit != "stretch":
            raise SettingsError(f"--max-stretch {self.max_stretch:g}: for --fit stretch alone; leave it out")

    @property
    def most(self) -> float:
        """The largest tempo."""
        return MAX_STRETCH if self.max_stretch is None else self.max_stretch

    def decides(self) -> tuple[Any, ...]:
        """What changes a sound."""
        return (self.fit, self.most) if self.fit == "stretch" else (self.fit,)
