"""Planes of decoded frames: upright, with even sides, read-only; and conversion to another planar format."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.media.frame_colour import is_rgb_like
from lipsync_ray.media.orientation import AS_STORED
from lipsync_ray.media.probe import VideoInfo

_BT709, _BT601 = 1, 5  # swscale's names for matrices; the same one on both sides applies none
_FULL, _LIMITED = 2, 1  # … and for ranges


def sample_planes(frame: Any, info: VideoInfo, name: str) -> tuple[NDArray[Any], ...]:
    """A frame's samples in a planar format: the decoder's own where it is the frame's, else converted.

    Parameters
    ----------
    name : FFmpeg's, of a format of Y, U, V and possibly alpha
    """
    size = info.stored_size
    if is_rgb_like(frame):
        deep = frame.reformat(format="rgba64le" if name.startswith("yuva") else "rgb48le")
        frame = deep.reformat(
            *size, format=name, dst_colorspace=_BT709, src_color_range=_FULL, dst_color_range=_LIMITED
        )
    elif frame.format.name.replace("yuvj", "yuv") != name or (frame.width, frame.height) != size:
        level = _FULL if info.colour.range == _FULL else _LIMITED
        frame = frame.reformat(
            *size,
            format=name,
            src_colorspace=_BT601,
            dst_colorspace=_BT601,
            src_color_range=level,
            dst_color_range=level,
        )
    return upright_planes(frame, info)


def upright_planes(frame: Any, info: VideoInfo) -> tuple[NDArray[Any], ...]:
    """The planes of a frame in a planar format, uint8 or uint16, upright; luma with even sides, by repeating its edge.

    They are read-only: the decoder's own memory, which the next frames may refer to.
    """
    planes = []
    width, height = (side + side % 2 for side in (info.width, info.height))
    for index, (plane, component) in enumerate(zip(frame.planes, frame.format.components, strict=True)):
        kind = np.dtype(np.uint8 if component.bits <= 8 else np.uint16)
        rows = np.frombuffer(plane, kind).reshape(plane.height, plane.line_size // kind.itemsize)[:, : plane.width]
        if info.orientation != AS_STORED:
            rows = np.ascontiguousarray(info.orientation.upright(rows))
        chroma = index in (1, 2)
        across = width // frame.format.chroma_width(width) if chroma else 1
        down = height // frame.format.chroma_height(height) if chroma else 1
        below, right = height // down - rows.shape[0], width // across - rows.shape[1]
        if below or right:
            rows = np.asarray(cv2.copyMakeBorder(rows, 0, below, 0, right, cv2.BORDER_REPLICATE), kind)
        rows.flags.writeable = False
        planes.append(rows)
    return tuple(planes)
