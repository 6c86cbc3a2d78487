"""What decides how a head is animated, by a model that makes a video of its own instead of editing one."""

from dataclasses import asdict, dataclass
from typing import Annotated, Any

from lipsync_ray.errors import SettingsError
from lipsync_ray.settings.checks import check
from lipsync_ray.settings.options import Option, described

SIDES = 64  # pixels: a head's side is a multiple of them
_PANEL = "Heads (EchoMimic)"


@described
@dataclass(frozen=True)
class HeadSettings:
    """How a head is animated. Two runs with equal settings and inputs make the same frames."""

    steps: Annotated[
        int | None,
        Option(
            "Steps from noise to picture. By default 30, and 6 for echomimic-acc. Time goes with them.",
            panel=_PANEL,
            least=1,
            most=1000,
        ),
    ] = None
    guidance: Annotated[
        float | None,
        Option(
            "How far to exaggerate what person and sound change: 2.5 by default, for twice the time; 1, for echomimic-acc, "
            "asks once.",
            panel=_PANEL,
            least=0,
            most=100,
        ),
    ] = None
    seed: Annotated[
        int,
        Option(
            "Seed of the noise that the head is drawn from. Equal seeds make equal heads.",
            panel=_PANEL,
            least=0,
            most=2**63 - 1,
        ),
    ] = 420
    side: Annotated[
        int,
        Option(
            "Pixels of the square that is drawn, a multiple of 64; the model was taught the default.",
            flag="--head-side",
            panel=_PANEL,
            least=SIDES,
            most=1024,
            unit="pixels",
        ),
    ] = 512
    paste_back: Annotated[bool, Option("Put the head back into the frame that it was cut from.", panel=_PANEL)] = False
    parity: Annotated[
        bool,
        Option(
            "As the published pipeline: windows in a ring, noise in the weights' type, levels cut off, overlaps added up without "
            "guidance.",
            panel=_PANEL,
        ),
    ] = False

    def __post_init__(self) -> None:
        check(self)
        if self.side % SIDES:
            raise SettingsError(f"--head-side {self.side}: expected a multiple of {SIDES} pixels")

    def sampled(self) -> dict[str, Any]:
        """What decides latents: all but how they are shown."""
        values = asdict(self)
        del values["paste_back"]
        return values
