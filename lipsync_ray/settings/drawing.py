"""What dub and enhance are both told: arithmetic, encoding, restoration."""

from dataclasses import dataclass
from typing import Annotated, Literal

from lipsync_ray.faces.choices import MaskKind
from lipsync_ray.media.choices import VideoCoding
from lipsync_ray.settings.checks import check
from lipsync_ray.settings.options import Group, Option, described

Precision = Literal["auto", "fp32", "bf16", "fp16"]
Region = Literal["mouth", "face"]

Coding = Annotated[
    VideoCoding,
    Group(
        {
            "crf": Option(
                "x264 quality: 0 lossless, 18 looks like the source, 23 smaller.", panel="Encoding", least=0, most=51
            ),
            "preset": Option("x264 speed.", panel="Encoding"),
        }
    ),
    "how the output is encoded",
]


@described
@dataclass(frozen=True)
class RestoreSettings:
    """How faces are restored."""

    model: Annotated[str, Option("gfpgan, or a checkpoint of it.", flag="--restore", panel="Restoration")] = "gfpgan"
    mask: Annotated[
        MaskKind,
        Option(
            "ellipse (costs nothing), or parsing (a network's outline).", flag="--restore-mask", panel="Restoration"
        ),
    ] = "ellipse"
    region: Annotated[
        Region, Option("face, or mouth: only what lip-sync drew anew.", flag="--restore-region", panel="Restoration")
    ] = "face"
    strength: Annotated[
        float,
        Option(
            "1 the restored face alone, 0.5 half of it.",
            flag="--restore-strength",
            panel="Restoration",
            above=0,
            most=1,
        ),
    ] = 1.0

    def __post_init__(self) -> None:
        check(self)
