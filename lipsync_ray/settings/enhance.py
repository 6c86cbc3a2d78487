"""What decides how finished videos are enhanced."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from lipsync_ray.errors import SettingsError
from lipsync_ray.faces.choices import FaceChoice
from lipsync_ray.media.choices import VideoCoding
from lipsync_ray.media.codecs import coding_record, spec_of
from lipsync_ray.settings.checks import check, values_of
from lipsync_ray.settings.drawing import Coding, Deinterlacing, OneFile, Precision, RestoreSettings, check_coding
from lipsync_ray.settings.marks import MarkSettings
from lipsync_ray.settings.options import Option, described
from lipsync_ray.settings.provenance import ProvenanceSettings

RestoreDetector = Literal["table", "retinaface"]


@described
@dataclass(frozen=True)
class EnhanceSettings:
    """What decides how finished videos are enhanced."""

    restore: Annotated[RestoreSettings, "how faces are restored"] = field(default_factory=RestoreSettings)
    upscale: Annotated[int, Option("1, or 2 for a video twice as large.", panel="Restoration")] = 1
    detector: Annotated[
        RestoreDetector,
        Option(
            "table: tracked faces, landmarks smoothed; retinaface: GFPGAN's own detector on every frame.",
            flag="--restore-detector",
            panel="Restoration",
        ),
    ] = "table"
    face: Annotated[
        FaceChoice | None,
        Option(
            "Whose faces: all, largest, center, left, right. Default: the dubbed face of a run, all of a video.",
            panel="Restoration",
        ),
    ] = None
    coding: Coding = field(default_factory=VideoCoding)
    one_file: OneFile = False
    deinterlace: Deinterlacing = "estdif"
    precision: Annotated[Precision, Option("Arithmetic of the networks.", panel="Restoration")] = "auto"
    provenance: Annotated[ProvenanceSettings, "what the output says of itself; changes no frame"] = field(
        default_factory=ProvenanceSettings
    )
    marks: Annotated[MarkSettings, "what is put into frames to say so"] = field(default_factory=MarkSettings)

    def __post_init__(self) -> None:
        check(self)
        check_coding(self.coding, self.provenance)
        if self.upscale not in (1, 2):
            raise SettingsError(f"--upscale {self.upscale}: expected 1 or 2")

    @property
    def codes_on_gpus(self) -> bool:
        """Whether workers that encode need one."""
        return spec_of(self.coding).nvenc

    def record(self) -> dict[str, Any]:
        """The settings as JSON values."""
        coding = {"coding": coding_record(self.coding)}
        return values_of(self) | coding | {"provenance": self.provenance.record(), "marks": self.marks.record()}
