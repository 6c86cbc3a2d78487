"""What decides how a dub looks."""

import math
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from typing import Annotated, Any, Literal, Self

from lipsync_ray.errors import SettingsError
from lipsync_ray.faces.choices import Blend, DubbedFaces, Pads, ParsedBlend
from lipsync_ray.media.choices import Decoder, Loop, Untouched, VideoCoding
from lipsync_ray.media.codecs import codec_of, coding_record, container_of, in_container_of, spec_of
from lipsync_ray.media.sound_codecs import codec_in
from lipsync_ray.settings.checks import check, given, values_of
from lipsync_ray.settings.drawing import Coding, Deinterlacing, OneFile, Precision, RestoreSettings, check_coding
from lipsync_ray.settings.head import HeadSettings
from lipsync_ray.settings.lines import LineSettings
from lipsync_ray.settings.marks import MarkSettings
from lipsync_ray.settings.options import Group, Option, described
from lipsync_ray.settings.provenance import ProvenanceSettings
from lipsync_ray.settings.sound import SoundSettings

Length = Literal["audio", "video", "shortest"]
Reference = Literal["current", "closed"]
MAX_SHIFT = 200
SEGMENT_S = 4.0  # of video in one row of work, where nothing larger than face crops travels with it
_RESTORE = Option("gfpgan, a checkpoint of it, or none.", flag="--restore", panel="Restoration", none="none")


@described
@dataclass(frozen=True)
class DubSettings:
    """What decides how a dub looks. Two runs with equal settings and inputs make the same frames."""

    model: Annotated[
        str,
        Option(
            "wav2lip_gan, wav2lip, warp, mini, musetalk, musetalk-v1, echomimic, echomimic-acc, or the path of a checkpoint or "
            "of a folder of models.",
            panel="Lips",
        ),
    ] = "wav2lip_gan"
    face: Annotated[
        DubbedFaces,
        Option(
            "Whose mouth moves. auto: where several people are seen, whoever speaks in the source, by lips and sound; else the only "
            "one. speaking: by lips and sound everywhere, so that nobody moves for a voice off screen. all: everybody.",
            panel="Lips",
        ),
    ] = "auto"
    pads: Annotated[
        Pads,
        Option(
            "Top, bottom, left, right: parts of its own height by which a face box grows.",
            panel="Lips",
            metavar="T B L R",
        ),
    ] = field(default_factory=Pads)
    blend: Annotated[
        Blend | ParsedBlend | None,
        Option(
            "feather, or hard for the original's rectangle; for musetalk also jaw, raw, neck, by a face parser (bisenet). By "
            "default feather; for musetalk jaw, and raw for musetalk-v1, where the parser's weights are here.",
            panel="Lips",
        ),
    ] = None
    bbox_shift: Annotated[
        int | None,
        Option(
            "For musetalk-v1: pixels by which its box is moved down (0 by default); more opens the mouth wider.",
            panel="Lips",
            least=-MAX_SHIFT,
            most=MAX_SHIFT,
            unit="pixels",
        ),
    ] = None
    extra_margin: Annotated[
        int | None,
        Option(
            "For musetalk: pixels below the chin that its box takes in (10 by default).",
            panel="Lips",
            least=0,
            most=MAX_SHIFT,
            unit="pixels",
        ),
    ] = None
    length: Annotated[Length, Option("What the output lasts as long as.", panel="Length")] = "audio"
    loop: Annotated[Loop, Option("How a video that is too short goes on.", panel="Length")] = "pingpong"
    trim_silence: Annotated[bool, Option("Cut the audio's leading and trailing silence.", panel="Length")] = False
    lines: Annotated[LineSettings, "how lines fit into their slots, of dubs that have some"] = field(
        default_factory=LineSettings
    )
    still_rate: Annotated[
        Fraction,
        Option(
            "Frames/s of a picture used as a video; a fraction such as 30000/1001 is fine.",
            panel="Length",
            least=1,
            most=120,
            unit="frames/s",
        ),
    ] = Fraction(25)
    coding: Coding = field(default_factory=VideoCoding)
    decoder: Annotated[
        Decoder,
        Option(
            "cpu, or cuda: GPUs decode what they can (NVDEC). Its pixels may differ, so it is part of a dub's name.",
            panel="Encoding",
        ),
    ] = "cpu"
    deinterlace: Deinterlacing = "estdif"
    untouched: Annotated[
        Untouched,
        Option(
            "copy takes groups of pictures in which nothing is drawn from the source as they are, where that is H.264 that fits; "
            "encode encodes every frame.",
            panel="Encoding",
        ),
    ] = "encode"
    one_file: OneFile = False
    precision: Annotated[Precision, Option("Arithmetic of the networks.", panel="Lips")] = "auto"
    reference: Annotated[
        Reference | None,
        Option(
            "What the model is shown of the person: current, or closed (the same frame, its mouth closed: no leak of what "
            "the source says). By default closed for mini, current for wav2lip.",
            panel="Lips",
        ),
    ] = None
    close_in_silence: Annotated[
        bool | None,
        Option(
            "Close the mouth where nobody speaks (voice activity). By default warp does, the others do not.",
            panel="Lips",
        ),
    ] = None
    restore: Annotated[
        RestoreSettings | None,
        Group({"model": _RESTORE}, switch="model"),
        "how the drawn faces are restored; None leaves them as the model drew them",
    ] = None
    head: Annotated[
        HeadSettings | None, "how a head is animated, by a model that does that; None for what suits it"
    ] = None
    provenance: Annotated[ProvenanceSettings, "what the output says of itself; changes no frame"] = field(
        default_factory=ProvenanceSettings
    )
    marks: Annotated[MarkSettings, "what is put into frames to say so"] = field(default_factory=MarkSettings)
    sound: Annotated[SoundSettings, "what the output sounds like; changes no frame"] = field(
        default_factory=SoundSettings
    )

    def __post_init__(self) -> None:
        check(self)
        check_coding(self.coding, self.provenance)
        object.__setattr__(self, "still_rate", Fraction(self.still_rate))
        pads = asdict(self.pads)
        if any(not (math.isfinite(pad) and -0.4 <= pad <= 1) for pad in pads.values()):
            said = " ".join(map(str, pads.values()))
            raise SettingsError(f"--pads {said}: each is a part of the face's height, −0.4 to 1")
        container = container_of(self.coding)
        if self.untouched == "copy" and (codec_of(self.coding) != "h264" or container not in ("mp4", "mov")):
            raise SettingsError(
                "--untouched copy: only H.264 in .mp4 or .mov has the source's packets beside others; leave --codec and "
                "--container out"
            )
        if self.untouched == "copy" and self.coding.crf == 0:
            raise SettingsError(
                "--untouched copy: --crf 0 needs another H.264 profile than sources have; expected 1 or more"
            )
        if self.untouched == "copy" and self.marks.label is not None and self.marks.label_seconds is None:
            raise SettingsError(
                "--untouched copy: --label-seconds all draws in every frame; give seconds, or leave one of them out"
            )

    @property
    def codes_on_gpus(self) -> bool:
        """Whether workers that decode and encode need one."""
        return self.decoder == "cuda" or spec_of(self.coding).nvenc

    def written_to(self, out: str) -> Self:
        """The settings of a single video, in the container of the ending of its name.

        Raises
        ------
        SettingsError : another one is asked for, or it cannot hold the codec
        """
        return replace(self, coding=in_container_of(out, self.coding))

    def record(self) -> dict[str, Any]:
        """The settings as JSON values."""
        said = {"provenance": self.provenance.record(), "marks": self.marks.record(), "sound": self.sound.record()}
        more = {"still_rate": str(self.still_rate), "coding": coding_record(self.coding)}
        return values_of(self) | more | said


def written_by(settings: DubSettings) -> str:
    """The options that decide how videos are written, with what follows from the container."""
    container = container_of(settings.coding)
    sound = codec_in(container, settings.sound.codec)
    return f"--codec {codec_of(settings.coding)} --audio-codec {sound} --container {container}"


def dub_settings(asked: DubSettings | None, model: str | None) -> DubSettings:
    """The settings of a dub, or the default ones; a model that is named besides overrides theirs.

    Raises
    ------
    SettingsError : something else than settings is given
    """
    settings = given("settings", asked, DubSettings) or DubSettings()
    return settings if model is None else replace(settings, model=model)
