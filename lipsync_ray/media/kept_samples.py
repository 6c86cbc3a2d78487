"""What an output's codec keeps of a source's samples, and what it does not."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import av

from lipsync_ray.media.choices import VideoCoding
from lipsync_ray.media.codecs import PLAIN, codec_of, decided, spec_of
from lipsync_ray.media.picture import RGB_AS
from lipsync_ray.media.probe import VideoInfo

_CHROMA = {(2, 2): "4:2:0", (2, 1): "4:2:2", (1, 1): "4:4:4"}


def kept_format(info: VideoInfo, coding: VideoCoding) -> str:
    """FFmpeg's name of the pixel format in which a codec keeps more of a source than 8-bit 4:2:0; empty where it does not.

    A still picture counts as 4:2:0 unless it is deeper than 8 bits or transparent: its chroma is not worth a profile that few
    players decode.
    """
    spec = spec_of(coding)
    if info.hdr and not spec.hdr:
        return ""
    alpha = info.transparent and any(name.startswith("yuva") for name in spec.formats)
    depth, across, down = _layout(info)
    if depth <= 8 and not alpha and not info.hdr and ((across, down) == (2, 2) or info.still):
        return ""

    def distance(name: str) -> tuple[int, int, int, int]:
        """Bits and chroma that a format lacks, then those that it has in excess."""
        bits, *steps = layout_of(name)
        pairs = tuple(zip(steps, (across, down), strict=True))
        lack, excess = sum(step > own for step, own in pairs), sum(step < own for step, own in pairs)
        return max(0, depth - bits), lack, max(0, bits - depth), excess

    found = min((name for name in spec.formats if name.startswith("yuva") == alpha), key=distance)
    return "" if found == PLAIN and not info.hdr else found


@lru_cache
def layout_of(name: str) -> tuple[int, int, int]:
    """(bits of a sample, luma samples per chroma sample across, and down) of a planar pixel format."""
    found = av.VideoFormat(name, 64, 64)
    chroma = found.components[1] if len(found.components) > 2 else None
    return found.components[0].bits, *((64 // chroma.width, 64 // chroma.height) if chroma is not None else (2, 2))


def _layout(info: VideoInfo) -> tuple[int, int, int]:
    """As :func:`layout_of`, of a source, upright. RGB needs two bits more as Y, U and V."""
    depth, across, down = layout_of(info.pixel_format)
    if info.colour == RGB_AS and (av.VideoFormat(info.pixel_format, 64, 64).is_rgb or info.pixel_format == "pal8"):
        return max(10, depth), 1, 1
    if info.orientation.swaps_sides and (across, down) == (2, 1):
        return depth, 1, 1  # turned, 4:2:2 would be 4:4:0, which no delivery format has
    return depth, across, down


def keeping(info: VideoInfo, coding: VideoCoding) -> VideoInfo:
    """A source whose decoded pictures also carry what a codec keeps of them."""
    return replace(info, native=kept_format(info, coding))


def losses(info: VideoInfo, coding: VideoCoding) -> tuple[str, ...]:
    """Warnings about what a codec does not keep of a source's pictures, one sentence each."""
    spec, kept = spec_of(coding), kept_format(info, coding)
    depth, (_, across, down) = layout_of(info.pixel_format)[0], _layout(info)
    bits, *steps = layout_of(kept or PLAIN)
    found = []
    if info.hdr and not kept:
        found.append(
            f"HDR ({info.hdr.upper()}): {spec.title} in 8 bits cannot keep it, so it was tone-mapped to SDR (BT.709); "
            "--codec hevc, av1, prores or ffv1 keeps it"
        )
    elif depth > bits:
        found.append(f"{depth} bits a sample: {bits} are kept")
    if not info.still and (steps[0] > across or steps[1] > down):
        found.append(f"finer chroma than {spec.title} keeps here, which is {_CHROMA[steps[0], steps[1]]}")
    if info.transparent and not kept.startswith("yuva"):
        found.append("its transparent areas are shown grey")
    if info.pixel_aspect != 1 and decided(coding).container in ("mkv", "webm") and not spec.aspect:
        found.append(
            f"not carried over: the aspect of its pixels, {info.pixel_aspect}, which Matroska's muxer does not write of {spec.title}"
        )
    if kept and info.light is not None and codec_of(coding) in ("prores", "ffv1", "hevc_nvenc"):
        found.append(
            f"not carried over: its mastering display and content light level, which {spec.title} does not carry here"
        )
    return tuple(found)
