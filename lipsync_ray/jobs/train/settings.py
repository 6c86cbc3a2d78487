"""What is to be trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from lipsync_ray.errors import SettingsError
from lipsync_ray.settings.checks import check_types

TrainKind = Literal["pose", "judge", "expert", "sync-judge", "generator"]
TrainPrecision = Literal["auto", "fp32", "bf16"]
KINDS: tuple[str, ...] = get_args(TrainKind)
STEPS = {"pose": 1400, "judge": 1400, "expert": 3600, "sync-judge": 2400, "generator": 8000}
_FROM = ("expert", "sync-judge", "generator")  # what may start from weights


@dataclass(frozen=True)
class TrainSettings:
    """What decides what is learnt.

    Attributes
    ----------
    kind : "pose" hears how lips move, for the model `warp`; "generator" draws mouths; "expert" tells how far mouths and sound
        agree, to teach generators; "judge" (openings) and "sync-judge" (agreement) are for evaluations
    steps : of each network; None for the kind's own number
    seeds : networks whose mean is the result; of "pose" alone
    seed : of the first, and of the choice of who is held out
    held_out : part of the clips, of whole people, that is kept from training
    minutes : of training after which each network's ends early, from its first step on; None for never
    init : registered model or checkpoint that is trained on; None to begin with nothing
    width : of a generator that begins with nothing: what Wav2Lip's channel counts are times, a multiple of 1/64
    expert : of a generator: weights of the expert that teaches it
    adversarial : of a generator: weight of a critic's part in its gradient; 0 for none
    rate : learning rate; None for the kind's own
    precision : "auto" is bf16 on GPUs that multiply in it, else fp32
    trainers : processes that train together, each on a GPU of its own where there are any
    """

    kind: TrainKind = "pose"
    steps: int | None = None
    seeds: int = 2
    seed: int = 0
    held_out: float = 0.1
    minutes: float | None = None
    init: str | None = None
    width: float = 0.25
    expert: str = "mini-sync"
    adversarial: float = 0.0
    rate: float | None = None
    precision: TrainPrecision = "auto"
    trainers: int = 1

    def __post_init__(self) -> None:
        check_types(self)
        if self.kind not in KINDS:
            raise SettingsError(f"{self.kind}: expected one of {', '.join(KINDS)}")
        if self.steps is not None and self.steps < 1:
            raise SettingsError(f"--steps {self.steps}: expected at least 1")
        if not 1 <= self.seeds <= 8:
            raise SettingsError(f"--seeds {self.seeds}: expected 1 to 8")
        if self.seed < 0:
            raise SettingsError(f"--seed {self.seed}: expected 0 or more")
        if not 0 < self.held_out <= 0.5:
            raise SettingsError(f"--held-out {self.held_out}: expected more than 0, at most 0.5")
        if self.minutes is not None and not self.minutes > 0:
            raise SettingsError(f"--minutes {self.minutes}: expected more than 0")
        if self.init is not None and self.kind not in _FROM:
            raise SettingsError(f"--init {self.init}: goes with {', '.join(_FROM)}; `{self.kind}` begins with nothing")
        if not 1 / 64 <= self.width <= 1 or self.width * 64 != int(self.width * 64):
            raise SettingsError(f"--width {self.width}: expected a multiple of 1/64 up to 1, like 0.25, 0.375, 0.5")
        if self.init is not None and self.width != TrainSettings.width:
            raise SettingsError(f"--width {self.width}: with --init {self.init} the width is that of its weights")
        if not 0 <= self.adversarial <= 1:
            raise SettingsError(f"--adversarial {self.adversarial}: expected 0 to 1")
        if self.kind != "generator":
            for name in ("width", "expert", "adversarial"):
                if getattr(self, name) != getattr(TrainSettings, name):
                    raise SettingsError(f"--{name} {getattr(self, name)}: goes with generator, not with {self.kind}")
        if self.rate is not None and not 0 < self.rate <= 1:
            raise SettingsError(f"--rate {self.rate}: expected more than 0, at most 1")
        if self.precision not in get_args(TrainPrecision):
            raise SettingsError(f"--precision {self.precision}: expected one of {', '.join(get_args(TrainPrecision))}")
        if self.trainers < 1:
            raise SettingsError(f"--trainers {self.trainers}: expected at least 1")

    @property
    def most_steps(self) -> int:
        """Steps of each network."""
        return STEPS[self.kind] if self.steps is None else self.steps

    def record(self) -> dict[str, Any]:
        """The settings as JSON values."""
        return asdict(self) | {"steps": self.most_steps}

    def steps_made(self, steps: Sequence[int]) -> str:
        """Format the steps of each network: ``1,400 steps``, ``17 of 8,000 steps``, ``1,400 and 900 of 1,400 steps``."""
        asked = f"{self.most_steps:,}"
        if all(step == self.most_steps for step in steps):
            return f"{asked} steps"
        return f"{' and '.join(f'{step:,}' for step in steps)} of {asked} steps"

    def card_fields(self) -> dict[str, Any]:
        """Settings relevant to this kind, for a model card, without the steps, which may have been fewer."""
        others: tuple[str, ...] = (
            ("steps",) if self.kind == "generator" else ("steps", "width", "expert", "adversarial")
        )
        if self.init is not None:
            others = (*others, "width")
        if self.kind != "pose":
            others = (*others, "seeds")
        return {name: value for name, value in self.record().items() if value and name not in others}

    def decides(self) -> dict[str, Any]:
        """Settings on which a checkpoint depends."""
        return {name: value for name, value in self.record().items() if name not in ("minutes", "seeds", "trainers")}
