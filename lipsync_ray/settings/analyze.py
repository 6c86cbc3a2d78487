"""What decides how files are analysed."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from lipsync_ray.errors import SettingsError
from lipsync_ray.settings.checks import check_types, within


@dataclass(frozen=True)
class AnalyzeSettings:
    """What is looked at in a file. Two analyses with equal settings and inputs look at the same frames.

    Attributes
    ----------
    whisper : a registered name, a checkpoint's path, or "none"
    frames : of each video that are looked at for faces
    seed : of their choice, and of Whisper's samples
    """

    whisper: str = "small"
    frames: int = 10
    seed: int = 0

    def __post_init__(self) -> None:
        check_types(self)
        within("--frames", self.frames, 1, 1000)
        if self.seed < 0:
            raise SettingsError(f"--seed {self.seed}: expected 0 or more")

    def record(self) -> dict[str, Any]:
        """The settings as JSON values."""
        return asdict(self)
