"""Planes of decoded frames: upright, with even sides, read-only; and conversion to another planar format.

Conversions between depths and chroma grids are done here: swscale's result depends on memory beside the picture for some widths
(FFmpeg 8.0; found by tests/media/digests.py). It only unpacks formats that are not planar.
"""

from __future__ import annotations

from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.media.frame_colour import is_rgb_like
from lipsync_ray.media.orientation import AS_STORED
from lipsync_ray.media.picture import FULL_RANGE, RGB_AS, from_bgr
from lipsync_ray.media.probe import VideoInfo

Plane = NDArray[Any]


def sample_planes(frame: Any, info: VideoInfo, name: str) -> tuple[Plane, ...]:
    """A frame's samples in a planar format: the decoder's own where it is the frame's, else converted.

    Parameters
    ----------
    name : FFmpeg's, of a format of Y, U, V and possibly alpha, little-endian
    """
    form = av.VideoFormat(name, *info.stored_size)
    if is_rgb_like(frame):
        planes, depth, full = _of_rgb(frame, name.startswith("yuva")), 16, False
    else:
        if not _is_planar(frame.format):
            frame = frame.reformat(format=_planar(frame.format))
        planes, depth = raw_planes(frame), frame.format.components[0].bits
        full = info.colour.range == FULL_RANGE
    bits = form.components[0].bits
    out = []
    for index, component in enumerate(form.components):
        shape = component.height, component.width
        if index < len(planes):
            plane = _fitted(planes[index], shape, depth, bits, full or index == 3)
        else:  # grey has no chroma, and a frame after transparent ones may have no alpha
            plane = np.full(shape, (1 << bits) - 1 if index == 3 else 1 << (bits - 1), _kind(bits))
        out.append(plane)
    return upright_planes(out, info)


def raw_planes(frame: Any) -> tuple[Plane, ...]:
    """The memory of a frame in a planar format: (h, w) uint8 or uint16."""
    kind = _kind(frame.format.components[0].bits)
    return tuple(
        np.frombuffer(plane, kind).reshape(plane.height, plane.line_size // kind.itemsize)[:, : plane.width]
        for plane in frame.planes
    )


def upright_planes(planes: tuple[Plane, ...] | list[Plane], info: VideoInfo) -> tuple[Plane, ...]:
    """Planes as stored, upright, luma with even sides, by repeating its edge, and chroma to match.

    They are read-only: they may be the decoder's own memory, which the next frames refer to.
    """
    out = []
    even = [side + side % 2 for side in (info.height, info.width)]
    for index, plane in enumerate(planes):
        halved = (side in (2 * own, 2 * own - 1) for side, own in zip(info.stored_size[::-1], plane.shape, strict=True))
        parts = [2 if index in (1, 2) and half else 1 for half in halved]
        rows = plane
        if info.orientation != AS_STORED:
            rows = np.ascontiguousarray(info.orientation.upright(rows))
            parts = parts[::-1] if info.orientation.swaps_sides else parts
        below, right = (side // part - own for side, part, own in zip(even, parts, rows.shape, strict=True))
        if below > 0 or right > 0:
            rows = np.asarray(cv2.copyMakeBorder(rows, 0, below, 0, right, cv2.BORDER_REPLICATE), plane.dtype)
        rows.flags.writeable = False
        out.append(rows)
    return tuple(out)


def _kind(bits: int) -> np.dtype[Any]:
    return np.dtype(np.uint8 if bits <= 8 else np.uint16)


def _is_planar(form: Any) -> bool:
    return not form.is_big_endian and all(one.plane == index for index, one in enumerate(form.components))


def _is_planar_rgb(form: Any) -> bool:
    """Whether it is planes of whole numbers in this machine's order: green, blue, red and possibly alpha."""
    return not form.is_big_endian and "f" not in form.name and "msb" not in form.name


def _planar(form: Any) -> str:
    """The planar format of the same samples."""
    bits, chroma = form.components[0].bits, form.components[1]
    grid = {(2, 2): "420", (2, 1): "422", (1, 1): "444"}[form.width // chroma.width, form.height // chroma.height]
    alpha = "a" if any(one.is_alpha for one in form.components) else ""
    return f"yuv{alpha}{grid}p" + (f"{bits}le" if bits > 8 else "")


def _fitted(plane: Plane, shape: tuple[int, int], depth: int, bits: int, full: bool) -> Plane:
    """A plane in another size and depth.

    Parameters
    ----------
    full : its levels go up to the largest number, else they are multiples of those of 8 bits
    """
    if plane.shape == shape and depth == bits:
        return plane
    levels = plane.astype(np.float32)
    if plane.shape != shape:
        how = cv2.INTER_AREA if plane.size > shape[0] * shape[1] else cv2.INTER_LINEAR
        levels = np.asarray(cv2.resize(levels, shape[::-1], interpolation=how), np.float32)
    most = (1 << bits) - 1
    scale = most / ((1 << depth) - 1) if full else 2.0 ** (bits - depth)
    return np.asarray(np.clip(np.rint(levels * scale), 0, most), _kind(bits))


def _of_rgb(frame: Any, alpha: bool) -> tuple[Plane, ...]:
    """Y, U, V of BT.709 in limited range, and possibly alpha, of 16 bits, of a frame of RGB, a palette or grey."""
    bits = max((one.bits for one in frame.format.components), default=8)
    if frame.format.name.startswith("gbr") and _is_planar_rgb(frame.format):
        green, blue, red, *rest = (plane.astype(np.float32) for plane in raw_planes(frame))
        levels = np.stack((red, green, blue, *rest), axis=2) * np.float32(255 / ((1 << bits) - 1))
    else:
        deep = bits > 8
        pixels = frame.reformat(format="rgba64le" if deep else "rgba").to_ndarray()
        levels = pixels.astype(np.float32) / (257 if deep else 1)
    yuv = from_bgr(np.ascontiguousarray(levels[..., 2::-1]), RGB_AS, levels.shape[0])
    planes = [*np.moveaxis(yuv * 256, 2, 0)]
    if alpha:
        planes.append(levels[..., 3] * 257 if levels.shape[2] == 4 else np.full(levels.shape[:2], 65535, np.float32))
    return tuple(np.clip(np.rint(one), 0, 65535).astype(np.uint16) for one in planes)
