"""What decides a score."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from lipsync_ray.errors import SettingsError
from lipsync_ray.faces.choices import FaceChoice
from lipsync_ray.settings.checks import check, values_of
from lipsync_ray.settings.options import Option, described

Protocol = Literal["real", "lrs"]
ScorerName = Literal["syncnet", "mini-sync"]
FID_DIMS = (64, 192, 768, 2048)


@described
@dataclass(frozen=True)
class EvaluateSettings:
    """What decides a score. Two evaluations with equal settings and inputs give the same numbers."""

    scorer: Annotated[
        ScorerName, Option("syncnet (LSE-D, LSE-C), or mini-sync (bundled, its own numbers).", panel="Sync")
    ] = "syncnet"
    scorer_weights: Annotated[str | None, Option("A file to use instead of the registered weights.", panel="Sync")] = (
        None
    )
    protocol: Annotated[
        Protocol, Option("real: face tracks; lrs: the whole frame, for face-centred clips.", panel="Sync")
    ] = "real"
    min_track: Annotated[
        int,
        Option("A face track counts if it is seen in more frames, at 25 a second.", panel="Sync", least=0),
    ] = 100
    min_face: Annotated[
        int | None,
        Option(
            "… and its face is larger, in pixels. Default: 100 for syncnet, 40 for mini-sync.", panel="Sync", least=0
        ),
    ] = None
    face: Annotated[
        FaceChoice | None,
        Option(
            "Whose tracks: all, largest, center, left, right. Default: the dubbed face of a run, all of a table.",
            panel="Sync",
        ),
    ] = None
    fid: Annotated[str, Option("inception, a file of its weights, or none to leave FID out.", panel="FID")] = (
        "inception"
    )
    dims: Annotated[int, Option(f"Inception features: {', '.join(map(str, FID_DIMS))}.", panel="FID")] = 2048
    fid_every: Annotated[int, Option("Use every Nth frame (25 fps).", panel="FID", least=1)] = 5
    judges: Annotated[
        bool,
        Option(
            "Measure the lips, and compare them with what a network never used to train a generator hears.",
            panel="Judges",
        ),
    ] = True

    def __post_init__(self) -> None:
        check(self)
        if self.protocol == "lrs" and self.scorer != "syncnet":
            raise SettingsError(f"--protocol lrs scores whole frames, which {self.scorer} cannot; use --protocol real")
        if self.dims not in FID_DIMS:
            raise SettingsError(f"--dims {self.dims}: expected one of {', '.join(map(str, FID_DIMS))}")

    def record(self) -> dict[str, Any]:
        """The settings as JSON values."""
        return values_of(self)
