"""What decides a score."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from lipsync_ray.errors import SettingsError
from lipsync_ray.faces.speaker import FACE_RULES, FaceChoice
from lipsync_ray.settings.checks import check_types, one_of

Protocol = Literal["real", "lrs"]
PROTOCOLS: tuple[str, ...] = get_args(Protocol)
SCORERS = ("syncnet", "mini-sync")
FID_DIMS = (64, 192, 768, 2048)


@dataclass(frozen=True)
class EvaluateSettings:
    """What decides a score. Two evaluations with equal settings and inputs give the same numbers.

    Attributes
    ----------
    scorer : "syncnet" (LSE) or "mini-sync" (bundled)
    scorer_weights : a file to use instead of the registered one
    protocol : "real" scores face tracks; "lrs" the whole frame, for clips that are face crops already
    min_track : frames at 25 a second: a face track counts only if it is seen in more (100 as published)
    min_face : pixels: a track counts only if its face is larger; None for the scorer's own limit (100 as published)
    face : whose tracks: "all", or a rule as in `DubSettings`; None for the dubbed face of a run, all of a table
    fid : name or path of the Inception weights; "none" leaves FID out
    dims : features of that network
    fid_every : one picture in so many frames at 25 a second goes into FID
    judges : whether the lips are measured and held against what is heard
    """

    scorer: Literal["syncnet", "mini-sync"] = "syncnet"
    scorer_weights: str | None = None
    protocol: Protocol = "real"
    min_track: int = 100
    min_face: int | None = None
    face: FaceChoice | None = None
    fid: str = "inception"
    dims: int = 2048
    fid_every: int = 5
    judges: bool = True

    def __post_init__(self) -> None:
        check_types(self)
        one_of("--scorer", self.scorer, SCORERS)
        one_of("--protocol", self.protocol, PROTOCOLS)
        one_of("--face", self.face, ("all", *FACE_RULES))
        if self.protocol == "lrs" and self.scorer != "syncnet":
            raise SettingsError(f"--protocol lrs scores whole frames, which {self.scorer} cannot; use --protocol real")
        if self.dims not in FID_DIMS:
            raise SettingsError(f"--dims {self.dims}: expected one of {', '.join(map(str, FID_DIMS))}")
        for option, value in (("--min-track", self.min_track), ("--min-face", self.min_face or 0)):
            if value < 0:
                raise SettingsError(f"{option} {value}: expected 0 or more")
        if self.fid_every < 1:
            raise SettingsError(f"--fid-every {self.fid_every}: expected at least 1")

    def record(self) -> dict[str, Any]:
        """The settings as JSON values."""
        return asdict(self)
