"""What decides how finished videos are enhanced."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from lipsync_ray.errors import SettingsError
from lipsync_ray.faces.speaker import FACE_RULES, FaceChoice
from lipsync_ray.media.encode import VideoCoding
from lipsync_ray.settings.checks import check_types, one_of
from lipsync_ray.settings.drawing import PRECISIONS, Precision, RestoreSettings, check_coding
from lipsync_ray.settings.marks import MarkSettings
from lipsync_ray.settings.provenance import ProvenanceSettings

RestoreDetector = Literal["table", "retinaface"]
DETECTORS: tuple[str, ...] = get_args(RestoreDetector)


@dataclass(frozen=True)
class EnhanceSettings:
    """What decides how finished videos are enhanced.

    Attributes
    ----------
    restore : how faces are restored
    upscale : 1, or 2 for twice the size
    detector : "table" for smoothed landmarks of tracked faces, "retinaface" for GFPGAN's own on every frame
    face : whose: "all", or a rule as in `DubSettings`; None for the dubbed face of a run, all of a video
    coding : how the output is encoded
    precision : arithmetic of the networks
    provenance : what the output says of itself; changes no frame
    marks : what is put into frames to say so
    """

    restore: RestoreSettings = field(default_factory=RestoreSettings)
    upscale: int = 1
    detector: RestoreDetector = "table"
    face: FaceChoice | None = None
    coding: VideoCoding = field(default_factory=VideoCoding)
    precision: Precision = "auto"
    provenance: ProvenanceSettings = field(default_factory=ProvenanceSettings)
    marks: MarkSettings = field(default_factory=MarkSettings)

    def __post_init__(self) -> None:
        check_types(self)
        if self.upscale not in (1, 2):
            raise SettingsError(f"--upscale {self.upscale}: expected 1 or 2")
        one_of("--restore-detector", self.detector, DETECTORS)
        one_of("--face", self.face, ("all", *FACE_RULES))
        one_of("--precision", self.precision, PRECISIONS)
        check_coding(self.coding)

    def record(self) -> dict[str, Any]:
        """The settings as JSON values."""
        return asdict(self) | {"provenance": self.provenance.record(), "marks": self.marks.record()}
