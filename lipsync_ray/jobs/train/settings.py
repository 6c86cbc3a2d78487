"""What is to be trained."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from lipsync_ray.errors import SettingsError

TrainKind = Literal["pose", "judge"]
KINDS: tuple[str, ...] = get_args(TrainKind)


@dataclass(frozen=True)
class TrainSettings:
    """What decides what is learnt.

    Attributes
    ----------
    kind : "pose" hears how lips move, for the model `warp`; "judge" hears how far a mouth opens, for evaluations
    steps : of each network
    seeds : networks whose mean is the result; one for a judge
    seed : of the first, and of the choice of who is held out
    held_out : part of the clips, of whole people, that is kept from training
    minutes : after which each network's training ends early; None for never
    """

    kind: TrainKind = "pose"
    steps: int = 1400
    seeds: int = 2
    seed: int = 0
    held_out: float = 0.1
    minutes: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise SettingsError(f"{self.kind}: expected one of {', '.join(KINDS)}")
        if self.steps < 1:
            raise SettingsError(f"--steps {self.steps}: expected at least 1")
        if not 1 <= self.seeds <= 8:
            raise SettingsError(f"--seeds {self.seeds}: expected 1 to 8")
        if self.seed < 0:
            raise SettingsError(f"--seed {self.seed}: expected 0 or more")
        if not 0 < self.held_out <= 0.5:
            raise SettingsError(f"--held-out {self.held_out}: expected more than 0, at most 0.5")
        if self.minutes is not None and self.minutes <= 0:
            raise SettingsError(f"--minutes {self.minutes}: expected more than 0")

    def record(self) -> dict[str, Any]:
        """The settings as JSON values."""
        return asdict(self)
