"""What is to be trained."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

from lipsync_ray.errors import SettingsError
from lipsync_ray.settings.checks import check
from lipsync_ray.settings.options import Option, described

TrainKind = Literal["pose", "closure", "painter", "judge", "expert", "sync-judge", "generator"]
TrainPrecision = Literal["auto", "fp32", "bf16"]
STEPS = {
    "pose": 1400, "closure": 1200, "painter": 400, "judge": 1400, "expert": 3600, "sync-judge": 2400, "generator": 8000,
}  # fmt: skip
AVERAGED = ("pose", "closure")  # what several networks of other seeds are made of
ADDED = ("closure", "painter")  # to the poses of another training
_FROM = (*ADDED, "expert", "sync-judge", "generator")  # what may start from weights


@described
@dataclass(frozen=True)
class TrainSettings:
    """What decides what is learnt."""

    kind: Annotated[
        TrainKind,
        Option(
            "generator: draws mouths, --model of dub. pose: how lips move, for the model warp. closure: when lips close, for warp. painter: how an inner mouth looks, for warp. expert: teaches generators. "
            "judge, sync-judge: for evaluate.",
            flag="kind",
            required=True,
        ),
    ] = "pose"
    steps: Annotated[int | None, Option("Steps of each network; each kind has its own number.", least=1)] = None
    seeds: Annotated[int, Option("Networks whose mean is the result, of pose and closure.", least=1, most=8)] = 2
    seed: Annotated[
        int, Option("Seed of the first network's weights and samples, and of the choice of who is held out.", least=0)
    ] = 0
    held_out: Annotated[
        float, Option("Part of the clips, of whole people, that is kept from training.", above=0, most=0.5)
    ] = 0.1
    minutes: Annotated[
        float | None,
        Option("End each network's training after so long, counted from its first step over all starts.", above=0),
    ] = None
    init: Annotated[
        str | None,
        Option(
            "Train on from here: a registered model (wav2lip, wav2lip_gan, mini, mini-sync) or a checkpoint; of closure "
            "and painter, the poses that they are added to: warp, or a checkpoint of train pose."
        ),
    ] = None
    width: Annotated[
        float, Option("Of a generator without --init: part of Wav2Lip's channels, a multiple of 1/64.")
    ] = 0.25
    expert: Annotated[str, Option("Teaches a generator: mini-sync, or a checkpoint of train expert.")] = "mini-sync"
    adversarial: Annotated[
        float, Option("Weight of a critic that a generator is to deceive; 0.07 is usual.", least=0, most=1)
    ] = 0.0
    rate: Annotated[float | None, Option("Learning rate; each kind has its own.", above=0, most=1)] = None
    precision: Annotated[TrainPrecision, Option("auto (bf16 on a GPU that has it), fp32 or bf16.")] = "auto"
    trainers: Annotated[
        int, Option("Processes that train together, each on a GPU of its own where there are any.", least=1)
    ] = 1

    def __post_init__(self) -> None:
        check(self)
        if self.init is not None and self.kind not in _FROM:
            raise SettingsError(f"--init {self.init}: goes with {', '.join(_FROM)}; `{self.kind}` begins with nothing")
        if not 1 / 64 <= self.width <= 1 or self.width * 64 != int(self.width * 64):
            raise SettingsError(f"--width {self.width}: expected a multiple of 1/64 up to 1, like 0.25, 0.375, 0.5")
        if self.init is not None and self.width != TrainSettings.width:
            raise SettingsError(f"--width {self.width}: with --init {self.init} the width is that of its weights")
        if self.kind != "generator":
            for name in ("width", "expert", "adversarial"):
                if getattr(self, name) != getattr(TrainSettings, name):
                    raise SettingsError(f"--{name} {getattr(self, name)}: goes with generator, not with {self.kind}")

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
        if self.kind not in AVERAGED:
            others = (*others, "seeds")
        return {name: value for name, value in self.record().items() if value and name not in others}

    def decides(self) -> dict[str, Any]:
        """Settings on which a checkpoint depends."""
        return {name: value for name, value in self.record().items() if name not in ("minutes", "seeds", "trainers")}
