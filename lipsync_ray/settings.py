"""What a run was asked to do: checked when made, printed, stored with the run, and part of every name it commits."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from typing import Any, Literal, get_args

from lipsync_ray.analyze_settings import AnalyzeSettings as AnalyzeSettings
from lipsync_ray.errors import SettingsError
from lipsync_ray.faces.blend import BLENDS, Blend
from lipsync_ray.faces.crop import Pads
from lipsync_ray.faces.masks import MASKS, MaskKind
from lipsync_ray.faces.parsed import PARSED_BLENDS, ParsedBlend
from lipsync_ray.faces.speaker import FACE_RULES, FaceChoice, FaceRule
from lipsync_ray.head_settings import HeadSettings as HeadSettings
from lipsync_ray.mark_settings import MarkSettings as MarkSettings
from lipsync_ray.media.container import DECODERS, Decoder
from lipsync_ray.media.encode import PRESETS, VideoCoding
from lipsync_ray.media.timeline import LOOPS, Loop
from lipsync_ray.option_checks import check_types, one_of, within
from lipsync_ray.provenance_settings import ProvenanceSettings as ProvenanceSettings

Length = Literal["audio", "video", "shortest"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]
DEFAULT_MODEL = "wav2lip_gan"
RestoreDetector = Literal["table", "retinaface"]
DETECTORS: tuple[str, ...] = get_args(RestoreDetector)
Region = Literal["mouth", "face"]
REGIONS: tuple[str, ...] = get_args(Region)
Reference = Literal["current", "closed"]
REFERENCES: tuple[str, ...] = get_args(Reference)
Protocol = Literal["real", "lrs"]
PROTOCOLS: tuple[str, ...] = get_args(Protocol)
EngineKind = Literal["ray", "inline"]
ENGINES: tuple[str, ...] = get_args(EngineKind)
Placement = Literal["any", "spot"]
PLACEMENTS: tuple[str, ...] = get_args(Placement)
SCORERS = ("syncnet", "mini-sync")
FID_DIMS = (64, 192, 768, 2048)
PRECISIONS: tuple[str, ...] = get_args(Precision)
LENGTHS: tuple[str, ...] = get_args(Length)
MAX_CRF, MAX_SHIFT = 51, 200
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
    provenance : what the output says of itself; changes no frame
    marks : what is put into frames to say so
    """

    model: str = DEFAULT_MODEL
    face: FaceRule = "largest"
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
    provenance: ProvenanceSettings = field(default_factory=ProvenanceSettings)
    marks: MarkSettings = field(default_factory=MarkSettings)

    def __post_init__(self) -> None:
        check_types(self)
        one_of("--face", self.face, FACE_RULES)
        one_of("--blend", self.blend, (*BLENDS, *PARSED_BLENDS))
        within("--bbox-shift", self.bbox_shift, -MAX_SHIFT, MAX_SHIFT, "pixels")
        within("--extra-margin", self.extra_margin, 0, MAX_SHIFT, "pixels")
        one_of("--length", self.length, LENGTHS)
        one_of("--loop", self.loop, LOOPS)
        one_of("--precision", self.precision, PRECISIONS)
        one_of("--decoder", self.decoder, DECODERS)
        one_of("--reference", self.reference, REFERENCES)
        _check_coding(self.coding)
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


@dataclass(frozen=True)
class RestoreSettings:
    """How faces are restored.

    Attributes
    ----------
    model : a registered name or a checkpoint's path
    mask : "ellipse", or "parsing" (a network's outline of the face)
    region : "mouth" restores what lip-sync drew anew, "face" the whole of it
    strength : 0 leaves the frame as it is, 1 is the restored face alone
    """

    model: str = "gfpgan"
    mask: MaskKind = "ellipse"
    region: Region = "face"
    strength: float = 1.0

    def __post_init__(self) -> None:
        check_types(self)
        one_of("--restore-mask", self.mask, MASKS)
        one_of("--restore-region", self.region, REGIONS)
        if not 0 < self.strength <= 1:
            raise SettingsError(f"--restore-strength {self.strength}: expected more than 0, at most 1")


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
        _check_coding(self.coding)

    def record(self) -> dict[str, Any]:
        """The settings as JSON values."""
        return asdict(self) | {"provenance": self.provenance.record(), "marks": self.marks.record()}


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


@dataclass(frozen=True)
class Workers:
    """How the work is spread. Changes how long a run takes, and, but for ``batch``, never its frames.

    Attributes
    ----------
    actors : processes that keep the generator loaded; None to decide by the cluster's GPUs or CPUs
    gpus_per_actor : None for 1 where there is a GPU, else 0
    batch : frames a pass; None for the device's default. Arithmetic in another batch differs in last bits, so it is part of
        what a video's fingerprint says
    segment_s : seconds of output in one row of work; None for the job's default
    attempts : times a segment may end its process before it is given up
    address : a Ray cluster; None for the one this process belongs to, or else this machine alone
    engine : "ray", or "inline" for threads of this process
    placement : "spot" puts the networks' processes on nodes of the label ray.io/market-type: spot while there are any, and
        elsewhere where there are none; "any" asks for no label
    """

    actors: int | None = None
    gpus_per_actor: float | None = None
    batch: int | None = None
    segment_s: float | None = None
    attempts: int = 3
    address: str | None = None
    engine: EngineKind = "ray"
    placement: Placement = "any"

    def __post_init__(self) -> None:
        check_types(self)
        one_of("--engine", self.engine, ENGINES)
        one_of("placement", self.placement, PLACEMENTS)
        if self.engine == "inline" and self.address is not None:
            raise SettingsError(f"--address {self.address}: --engine inline works in this process alone")
        for option, value in (("--actors", self.actors), ("--batch", self.batch), ("--attempts", self.attempts)):
            if value is not None and value < 1:
                raise SettingsError(f"{option} {value}: expected at least 1")
        within("--segment", self.segment_s, 0.2, 600, "seconds")
        gpus = self.gpus_per_actor
        if gpus is not None and not (0 <= gpus <= 1 or (gpus > 1 and float(gpus).is_integer())):
            raise SettingsError(f"--gpus-per-actor {gpus}: expected 0, a part of one GPU, or a whole number")


def _check_coding(coding: VideoCoding) -> None:
    one_of("--preset", coding.preset, PRESETS)
    within("--crf", coding.crf, 0, MAX_CRF)
