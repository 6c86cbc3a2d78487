"""What decides how a dub looks."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from typing import Any, Literal, get_args

from lipsync_ray.errors import SettingsError
from lipsync_ray.faces.blend import BLENDS, Blend
from lipsync_ray.faces.crop import Pads
from lipsync_ray.faces.parsed import PARSED_BLENDS, ParsedBlend
from lipsync_ray.faces.speaker import FACE_RULES, FaceChoice
from lipsync_ray.media.container import DECODERS, Decoder
from lipsync_ray.media.encode import VideoCoding
from lipsync_ray.media.timeline import LOOPS, Loop
from lipsync_ray.settings.checks import check_types, one_of, within
from lipsync_ray.settings.drawing import PRECISIONS, Precision, RestoreSettings, check_coding
from lipsync_ray.settings.head import HeadSettings
from lipsync_ray.settings.lines import LineSettings
from lipsync_ray.settings.marks import MarkSettings
from lipsync_ray.settings.provenance import ProvenanceSettings

Length = Literal["audio", "video", "shortest"]
LENGTHS: tuple[str, ...] = get_args(Length)
Reference = Literal["current", "closed"]
REFERENCES: tuple[str, ...] = get_args(Reference)
DEFAULT_MODEL = "wav2lip_gan"
MAX_SHIFT = 200
SEGMENT_S = 4.0  # of video in one row of work, where nothing larger than face crops travels with it


@dataclass(frozen=True)
class DubSettings:
    """What decides how a dub looks. Two runs with equal settings and inputs make the same frames.

    Attributes
    ----------
    model : a registered name or a checkpoint's path
    face : which face speaks, where there are several
    pads : by how much a face's box grows before it is cropped
    blend : how the generated face goes back into the frame; None for what suits the model
    bbox_shift, extra_margin : pixels: MuseTalk 1.0's box lower down (None: 0), 1.5's further below the chin (None: 10)
    length : what the output lasts as long as
    loop : how a video shorter than that goes on
    trim_silence : whether the audio's leading and trailing silence is cut
    still_rate : frames/s given to a picture used as a video
    coding, decoder : how the output is encoded; what decodes the pictures that it is made of
    precision : arithmetic of the networks
    reference : what the generator is shown of the person: the "current" frame, or that with its mouth "closed"; None
        for what suits the model
    close_in_silence : whether the mouth closes where nobody speaks; None for what the model does by itself
    restore : how the drawn faces are restored; None leaves them as the generator drew them
    head : how a head is animated, by a model that does that; None for what suits it
    lines : how lines come into their slots, of dubs that have some
    provenance : what the output says of itself; changes no frame
    marks : what is put into frames to say so
    """

    model: str = DEFAULT_MODEL
    face: FaceChoice = "auto"
    pads: Pads = field(default_factory=Pads)
    blend: Blend | ParsedBlend | None = None
    bbox_shift: int | None = None
    extra_margin: int | None = None
    length: Length = "audio"
    loop: Loop = "pingpong"
    trim_silence: bool = False
    still_rate: Fraction = Fraction(25)
    coding: VideoCoding = field(default_factory=VideoCoding)
    decoder: Decoder = "cpu"
    precision: Precision = "auto"
    reference: Reference | None = None
    close_in_silence: bool | None = None
    restore: RestoreSettings | None = None
    head: HeadSettings | None = None
    lines: LineSettings = field(default_factory=LineSettings)
    provenance: ProvenanceSettings = field(default_factory=ProvenanceSettings)
    marks: MarkSettings = field(default_factory=MarkSettings)

    def __post_init__(self) -> None:
        check_types(self)
        one_of("--face", self.face, (*FACE_RULES, "all"))
        one_of("--blend", self.blend, (*BLENDS, *PARSED_BLENDS))
        within("--bbox-shift", self.bbox_shift, -MAX_SHIFT, MAX_SHIFT, "pixels")
        within("--extra-margin", self.extra_margin, 0, MAX_SHIFT, "pixels")
        one_of("--length", self.length, LENGTHS)
        one_of("--loop", self.loop, LOOPS)
        one_of("--precision", self.precision, PRECISIONS)
        one_of("--decoder", self.decoder, DECODERS)
        one_of("--reference", self.reference, REFERENCES)
        check_coding(self.coding)
        within("--still-rate", self.still_rate, 1, 120, "frames/s")
        object.__setattr__(self, "still_rate", Fraction(self.still_rate))
        pads = asdict(self.pads)
        if any(not (math.isfinite(pad) and -0.4 <= pad <= 1) for pad in pads.values()):
            said = " ".join(map(str, pads.values()))
            raise SettingsError(f"--pads {said}: each is a part of the face's height, −0.4 to 1")

    @property
    def decodes_on_gpus(self) -> bool:
        """Whether workers that decode need one."""
        return self.decoder == "cuda"

    def record(self) -> dict[str, Any]:
        """The settings as JSON values."""
        said = {"provenance": self.provenance.record(), "marks": self.marks.record()}
        return asdict(self) | {"still_rate": str(self.still_rate)} | said
