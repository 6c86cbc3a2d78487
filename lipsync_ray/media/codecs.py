"""The codecs of finished videos: their encoders, what they keep of a picture, the containers that hold them.

:data:`CODECS` is the table (shown in docs/pictures.md); everything that asks what a codec can do asks here. Imports no library.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import get_args

from lipsync_ray.errors import SettingsError
from lipsync_ray.media.choices import Codec, Container, Preset, VideoCoding

PLAIN = "yuv420p"  # of the pictures that everything draws into
_PRESETS = get_args(Preset)
_X264: Mapping[str, str] = {name: name for name in _PRESETS}
_SVT: Mapping[str, str] = dict(zip(_PRESETS, ("12", "11", "10", "9", "8", "6", "5", "4", "2"), strict=True))
_NVENC: Mapping[str, str] = dict(zip(_PRESETS, ("p1", "p2", "p3", "p4", "p4", "p5", "p6", "p7", "p7"), strict=True))
_DEEP = tuple(f"yuv{chroma}p{depth}le" for depth in (10, 12) for chroma in ("420", "422", "444"))
_WHOLE = tuple(
    f"{kind}{chroma}p{depth}"
    for kind in ("yuv", "yuva")
    for depth in ("", "9le", "10le", "12le", "16le")
    for chroma in ("420", "422", "444")
    if (kind, depth, chroma) != ("yuva", "12le", "420")
)
_MUXERS: Mapping[str, str] = {"mp4": "mp4", "mov": "mov", "mkv": "matroska", "webm": "webm"}
_PART_ENDINGS = {"mp4": "mp4", "mov": "mov", "matroska": "mkv"}


@dataclass(frozen=True)
class CodecSpec:
    """What a codec can do.

    Attributes
    ----------
    title : for sentences
    encoder : FFmpeg's name
    formats : FFmpeg's names of the pixel formats that it keeps
    containers : that may hold it, the usual one first
    part : FFmpeg's muxer of the parts of an unfinished video
    crf : smallest, largest, default; None of a codec without such a scale
    presets : x264's word → the encoder's; empty where it has none
    preset : default
    hdr : whether pictures keep PQ or HLG
    fed : pixel format → another layout of the same samples, which the encoder takes
    aspect : whether its own header has the pixels' aspect: Matroska's muxer writes none here
    tag : of the stream in mp4 and mov; empty for FFmpeg's choice
    """

    title: str
    encoder: str
    formats: tuple[str, ...]
    containers: tuple[Container, ...]
    part: str = "mp4"
    crf: tuple[float, float, float] | None = None
    presets: Mapping[str, str] = field(default_factory=dict)
    preset: Preset = "veryfast"
    hdr: bool = False
    fed: Mapping[str, str] = field(default_factory=dict)
    aspect: bool = True
    tag: str = ""

    @property
    def nvenc(self) -> bool:
        """Whether a card encodes."""
        return self.encoder.endswith("_nvenc")


_ISO: tuple[Container, ...] = ("mp4", "mov", "mkv")
CODECS: Mapping[Codec, CodecSpec] = {
    "h264": CodecSpec("H.264", "libx264", (PLAIN,), _ISO, crf=(0, 51, 18), presets=_X264),
    "hevc": CodecSpec(
        "HEVC", "libx265", (PLAIN, "yuv422p", "yuv444p", *_DEEP), _ISO, crf=(0, 51, 19), presets=_X264, hdr=True,
        tag="hvc1",  # parameter sets stand in the header alone, as Apple's players need it
    ),
    "av1": CodecSpec(
        "AV1", "libsvtav1", (PLAIN, "yuv420p10le"), ("mp4", "mkv", "webm"), crf=(1, 63, 18), presets=_SVT,
        preset="fast", hdr=True, aspect=False,
    ),
    "prores": CodecSpec("ProRes", "prores_ks", ("yuv422p10le", "yuv444p10le", "yuva444p10le"), ("mov", "mkv"), "mov", hdr=True, aspect=False),
    "ffv1": CodecSpec("FFV1", "ffv1", _WHOLE, ("mkv",), "matroska", hdr=True, aspect=False),
    # Of NVENC's scale 0 means "automatic".
    "h264_nvenc": CodecSpec(
        "H.264 by NVENC", "h264_nvenc", (PLAIN,), _ISO, crf=(1, 51, 19), presets=_NVENC
    ),
    "hevc_nvenc": CodecSpec(
        "HEVC by NVENC", "hevc_nvenc", (PLAIN, "yuv420p10le"), _ISO, crf=(1, 51, 21), presets=_NVENC, hdr=True,
        fed={"yuv420p10le": "p010le"}, tag="hvc1",
    ),
}  # fmt: skip


def codec_of(coding: VideoCoding) -> Codec:
    """The codec of settings: the one asked for, else the first of the table that the container holds."""
    if coding.codec is not None:
        return coding.codec
    return next(name for name, one in CODECS.items() if coding.container in (None, *one.containers))


def spec_of(coding: VideoCoding) -> CodecSpec:
    """What the codec of settings can do."""
    return CODECS[codec_of(coding)]


def decided(coding: VideoCoding) -> VideoCoding:
    """Settings in which nothing is left open, but crf and preset of a codec that has none.

    Raises
    ------
    SettingsError : the codec has no such quality or speed, or the container cannot hold it
    """
    spec, name = spec_of(coding), codec_of(coding)
    if coding.crf is not None and spec.crf is None:
        raise SettingsError(f"--crf: {spec.title} has no constant rate factor; leave it out, or choose another --codec")
    if coding.crf is not None and spec.crf is not None and not spec.crf[0] <= coding.crf <= spec.crf[1]:
        raise SettingsError(f"--crf {coding.crf:g}: expected {spec.crf[0]:g} to {spec.crf[1]:g} for --codec {name}")
    if coding.preset is not None and not spec.presets:
        raise SettingsError(f"--preset: {spec.title} has no presets; leave it out, or choose another --codec")
    container = container_of(coding)
    if container not in spec.containers:
        raise SettingsError(
            f"--container {container}: cannot hold {spec.title}; expected {' or '.join(spec.containers)} for --codec {name}, "
            f"{_others(container)}"
        )
    crf = coding.crf if coding.crf is not None else spec.crf and spec.crf[2]
    preset = coding.preset or (spec.preset if spec.presets else None)
    return VideoCoding(None if crf is None else float(crf), preset, name, container)


def coding_record(coding: VideoCoding) -> dict[str, object]:
    """What decides the bytes of an encoded video, as JSON values. Of H.264 in mp4 it is what it was before there were others."""
    how = decided(coding)
    values: dict[str, object] = {"crf": how.crf, "preset": how.preset}
    if how.codec != "h264":
        values["codec"] = how.codec
    if how.container != CODECS["h264"].containers[0]:
        values["container"] = how.container
    return values


def in_container_of(out: str, coding: VideoCoding) -> VideoCoding:
    """Settings whose container is that of the ending of a video's name, which is one of them.

    Raises
    ------
    SettingsError : another container is asked for, or a codec that it cannot hold
    """
    ending = out.lower().rpartition(".")[2]
    container = next(one for one in get_args(Container) if one == ending)
    if coding.container not in (None, container):
        raise SettingsError(f"--container {coding.container}: -o {out} ends in .{container}; leave one of them out")
    made = replace(coding, container=container)
    spec = spec_of(made)
    if container not in spec.containers:
        names = " or ".join(f".{one}" for one in spec.containers)
        raise SettingsError(
            f"-o {out}: .{container} cannot hold {spec.title}; expected a name that ends in {names}, {_others(container)}"
        )
    return made


def _others(container: Container) -> str:
    """The codecs that a container holds."""
    return f"or --codec {' or '.join(name for name, one in CODECS.items() if container in one.containers)}"


def muxer_of(name: str) -> str:
    """FFmpeg's muxer for a video, by the ending of its name; mp4 where that is none."""
    return _MUXERS.get(name.lower().rpartition(".")[2], "mp4")


def part_muxer_of(codec: str) -> str:
    """FFmpeg's muxer of parts, by its name of a codec."""
    return CODECS[codec].part if codec in CODECS else "mp4"  # type: ignore[index]


def container_of(coding: VideoCoding) -> Container:
    """The container of finished videos: the codec's usual one unless another is asked for."""
    return coding.container or spec_of(coding).containers[0]


def video_name(name: str, coding: VideoCoding) -> str:
    """The name of the file of a finished video."""
    return f"{name}.{container_of(coding)}"


def other_names(name: str, coding: VideoCoding) -> list[str]:
    """The names that the file of a finished video has in other containers."""
    return [f"{name}.{one}" for one in get_args(Container) if one != container_of(coding)]


def part_name(name: str, coding: VideoCoding) -> str:
    """The name of the file of a part."""
    return f"{name}.{_PART_ENDINGS[spec_of(coding).part]}"
