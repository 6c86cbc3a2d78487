"""What dub and enhance are both told: arithmetic, encoding, restoration."""

from dataclasses import dataclass
from typing import Annotated, Literal

from lipsync_ray.errors import SettingsError
from lipsync_ray.faces.choices import MaskKind
from lipsync_ray.media.choices import Deinterlace, VideoCoding
from lipsync_ray.media.codecs import decided
from lipsync_ray.settings.checks import check
from lipsync_ray.settings.options import Group, Option, described
from lipsync_ray.settings.provenance import ProvenanceSettings

Precision = Literal["auto", "fp32", "bf16", "fp16"]
Region = Literal["mouth", "face"]

Coding = Annotated[
    VideoCoding,
    Group(
        {
            "codec": Option(
                "Of the pictures. Default: h264; in webm, av1. h264 keeps 8 bits, 4:2:0, SDR; hevc also 10 and 12 bits, 4:2:2, 4:4:4 and HDR; av1 10 bits and HDR; "
                "prores (HQ, or 4444 with alpha) and ffv1 (lossless) also alpha, for editing. h264_nvenc and hevc_nvenc need "
                "a card with NVENC.",
                panel="Encoding",
            ),
            "container": Option(
                "By default mp4; mov for prores, mkv for ffv1. webm is AV1 and Opus. Of one pair, the ending of -o.",
                panel="Encoding",
            ),
            "crf": Option(
                "Quality on the codec's scale, smaller is better. By default 18 for h264 and av1, 19 for hevc: looks like the source. "
                "0 is lossless for h264.",
                panel="Encoding",
                least=0,
                most=63,
            ),
            "preset": Option(
                "The encoder's speed. Default: veryfast; for av1, fast. prores and ffv1 have none. In x264's words.",
                panel="Encoding",
            ),
        }
    ),
    "how the output is encoded",
]

OneFile = Annotated[
    bool,
    Option(
        "Also put the languages of each video into one file of OUT/one-file: a track of pictures and one of sound for each, copied "
        "from the finished videos.",
        panel="Encoding",
    ),
]

Deinterlacing = Annotated[
    Deinterlace,
    Option(
        "How interlaced video becomes progressive. estdif: as many frames, each from one field; bwdif: as many, each from both "
        "fields; bwdif-fields: a frame for each field, twice the frames/s (50 for 25i).",
        panel="Encoding",
    ),
]


def check_coding(coding: VideoCoding, provenance: ProvenanceSettings) -> None:
    """Check how the output is encoded, and that it can be signed where that is asked for.

    Raises
    ------
    SettingsError
    """
    if decided(coding).container in ("mkv", "webm") and provenance.kind == "c2pa":
        raise SettingsError(
            "--provenance c2pa: Matroska and WebM have no place for a manifest; expected --container mp4 or mov, or --provenance tags"
        )


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
