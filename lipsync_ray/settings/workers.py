"""How the work is spread."""

from dataclasses import dataclass
from typing import Annotated, Literal

from lipsync_ray.errors import SettingsError
from lipsync_ray.settings.checks import check
from lipsync_ray.settings.options import Option, described

EngineKind = Literal["ray", "inline"]
Placement = Literal["any", "spot"]
_PANEL = "Workers"


@described
@dataclass(frozen=True)
class Workers:
    """How the work is spread. Changes how long a run takes, and, but for ``batch``, never its frames.

    Arithmetic in another batch differs in last bits, so it is part of what a video's fingerprint says.
    """

    actors: Annotated[
        int | None,
        Option("Processes that hold the network. Default: one a GPU, or one a CPU.", panel=_PANEL, least=1),
    ] = None
    gpus_per_actor: Annotated[
        float | None,
        Option("0 keeps to CPUs; 0.5 lets two share a GPU. Default: 1 where there is a GPU.", panel=_PANEL),
    ] = None
    batch: Annotated[
        int | None, Option("Frames a pass of the network. Default: by network and device.", panel=_PANEL, least=1)
    ] = None
    segment_s: Annotated[
        float | None,
        Option(
            "Seconds of video in one row of work. Default: 4, or 1.6 where faces are restored (a row then carries 0.8 MB a "
            "face).",
            flag="--segment",
            panel=_PANEL,
            least=0.2,
            most=600,
            unit="seconds",
        ),
    ] = None
    attempts: Annotated[
        int, Option("Times a segment may crash its process before it is given up.", panel=_PANEL, least=1)
    ] = 3
    address: Annotated[
        str | None, Option("A Ray cluster. Default: $RAY_ADDRESS, else this machine alone.", panel=_PANEL)
    ] = None
    engine: Annotated[EngineKind, '"ray", or "inline" for threads of this process'] = "ray"
    placement: Annotated[
        Placement,
        '"spot" puts the networks on nodes of the label ray.io/market-type: spot while there are any, and elsewhere where there '
        'are none; "any" asks for no label',
    ] = "any"

    def __post_init__(self) -> None:
        check(self)
        if self.engine == "inline" and self.address is not None:
            raise SettingsError(f"--address {self.address}: --engine inline works in this process alone")
        gpus = self.gpus_per_actor
        if gpus is not None and not (0 <= gpus <= 1 or (gpus > 1 and float(gpus).is_integer())):
            raise SettingsError(f"--gpus-per-actor {gpus}: expected 0, a part of one GPU, or a whole number")
