"""What decides how a head is animated, by a model that makes a video of its own instead of editing one."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from lipsync_ray.errors import SettingsError
from lipsync_ray.settings.checks import check_types, within

SIDES = 64  # pixels: a head's side is a multiple of them


@dataclass(frozen=True)
class HeadSettings:
    """How a head is animated. Two runs with equal settings and inputs make the same frames.

    Attributes
    ----------
    steps : from noise to picture; None for what the model was taught
    guidance : by how much what the person and the sound change is exaggerated; 1 asks the network once a step, more asks it
        twice; None for what suits the model
    seed : of the noise
    side : pixels of the square that is drawn
    paste_back : draw it into the frame that it was cut from, instead of a video of the head alone
    parity : do as the published pipeline does where this one does better: windows in a ring, noise in the weights' type, levels
        cut off instead of rounded, overlaps added up where there is no guidance
    """

    steps: int | None = None
    guidance: float | None = None
    seed: int = 420
    side: int = 512
    paste_back: bool = False
    parity: bool = False

    def __post_init__(self) -> None:
        check_types(self)
        within("--steps", self.steps, 1, 1000)
        within("--guidance", self.guidance, 0, 100)
        within("--seed", self.seed, 0, 2**63 - 1)
        within("--head-side", self.side, SIDES, 1024, "pixels")
        if self.side % SIDES:
            raise SettingsError(f"--head-side {self.side}: expected a multiple of {SIDES} pixels")

    def sampled(self) -> dict[str, Any]:
        """What decides latents: all but how they are shown."""
        values = asdict(self)
        del values["paste_back"]
        return values
