"""Compares codecs for quotes: what decoding and encoding cost more than with 8-bit H.264, and how large a frame becomes."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import av

from lipsync_ray.jobs.quote.clips import pictures_of, write_clip
from lipsync_ray.jobs.quote.rates import Kind, Measurement, Rate, Rates, fitted, sort_of
from lipsync_ray.media import decode, tone
from lipsync_ray.media.choices import VideoCoding
from lipsync_ray.media.codecs import CODECS, spec_of
from lipsync_ray.media.encode import encode
from lipsync_ray.media.kept_samples import keeping
from lipsync_ray.media.picture import YuvFrame
from lipsync_ray.media.probe import VideoInfo, probe_video

# Encoders by which codecs' decoders are compared; one that FFmpeg was built without is left out.
ENCODERS = {"hevc": "libx265", "vp9": "libvpx-vp9", "mpeg4": "mpeg4"}
_KINDS: dict[Kind, tuple[str, int | None]] = {
    "8 bits": ("yuv420p", None),
    "10 bits": ("yuv420p10le", None),
    "HDR": ("yuv420p10le", tone.PQ),
}
_FINE = {"preset": "ultrafast", "crf": "8"}  # keeps the grain, which costs time and bytes
_DECODED = 25  # frames by which decoders are compared
_ENCODED = 12  # … and encoders
_SEGMENT = 100  # frames that usually have one key frame
_FACE = 0.3  # of the frame's shorter side: what is drawn
_LEVELS = 8  # by which drawing changes a picture


def with_codecs(rates: Rates, source: Path, folder: Path, sizes: Sequence[tuple[int, int]]) -> Rates:
    """Rates that also know codecs.

    Parameters
    ----------
    rates : measured with H.264 at its default preset
    source : square video of somebody's face
    folder : for clips
    sizes : (width, height) of a small and a large frame
    """
    spent: dict[str, list[Measurement]] = {}
    lengths: dict[str, list[Measurement]] = {}
    read: dict[Kind, float] = {}
    kinds = _KINDS if ENCODERS["hevc"] in av.codecs_available else {}
    for width, height in sizes:
        pictures = pictures_of(source, width, height)
        for kind, (form, transfer) in kinds.items():
            clip = folder / f"{width}-{form}-{transfer}.mkv"
            write_clip(clip, pictures[:_ENCODED], ENCODERS["hevc"], form, transfer, _FINE)
            info = probe_video(str(clip))
            read[kind] = _decoding(info)
            for codec, spec in CODECS.items():
                if not spec.nvenc and spec.encoder in av.codecs_available:
                    sort, found = sort_of(codec, kind), _encoding(info, VideoCoding(codec=codec))
                    for table, total in zip((spent, lengths), found, strict=True):
                        table.setdefault(sort, []).append(Measurement(info.frames, _megapixels(info), total))
    lines = {sort: fitted(measured, 0.0) for sort, measured in spent.items()}
    usual = lines.get(sort_of("h264", "8 bits"), Rate(0))
    encoding = {sort: Rate(one.frame - usual.frame, one.megapixel - usual.megapixel) for sort, one in lines.items()}
    decoding = {kind: seconds - read["8 bits"] for kind, seconds in read.items() if kind != "8 bits"}
    compared = decoders(pictures[:_DECODED], folder)  # the large ones
    lasting = {sort: fitted(measured, 0.0) for sort, measured in lengths.items()}
    return replace(rates, decode=compared | decoding, encode=encoding, sizes=lasting)


def decoders(pictures: Sequence[Any], folder: Path) -> dict[str, float]:
    """Codec → CPU seconds a frame and megapixel that its decoder takes more than that of H.264 (less: negative)."""
    spent = {}
    for codec, encoder in {"h264": "libx264", **ENCODERS}.items():
        if encoder in av.codecs_available:
            clip = folder / f"{codec}.mkv"
            write_clip(clip, pictures, encoder)
            spent[codec] = _decoding(probe_video(str(clip)))
    return {codec: seconds - spent["h264"] for codec, seconds in spent.items() if codec != "h264"}


def _decoding(info: VideoInfo) -> float:
    """CPU seconds a frame and megapixel."""
    began = time.process_time()
    for _ in decode.pictures(info, 0, info.frames):
        pass
    return (time.process_time() - began) / info.frames / _megapixels(info)


def _encoding(info: VideoInfo, coding: VideoCoding) -> tuple[float, float]:
    """(CPU seconds of decoding, drawing and encoding all frames, bytes of so many with one key frame in a segment)."""
    kept = keeping(info, coding)
    began = time.process_time()
    data = encode(_drawn(decode.pictures(kept, 0, kept.frames)), kept.rate, kept.pixel_aspect, coding, kept.light)
    spent = time.process_time() - began
    with av.open(io.BytesIO(data), format=spec_of(coding).part) as container:
        first, *others = (packet.size for packet in container.demux(video=0) if packet.size)
    mean = (first + (_SEGMENT - 1) * sum(others) / max(1, len(others))) / _SEGMENT
    return spent, mean * kept.frames


def _drawn(pictures: Iterator[YuvFrame]) -> Iterator[YuvFrame]:
    """Pictures with a change as large as a face."""
    for source in pictures:
        picture = source.copy()
        side = round(min(picture.width, picture.height) * _FACE)
        top, left = (picture.height - side) // 2, (picture.width - side) // 2
        face = picture.y[top : top + side, left : left + side]
        face[:] = face.clip(0, 255 - _LEVELS) + _LEVELS
        yield picture


def _megapixels(info: VideoInfo) -> float:
    return info.width * info.height / 1e6
