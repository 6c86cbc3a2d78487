"""Puts transparent pictures on a plain background, because the pixels stored behind them are not meant to be seen."""

from __future__ import annotations

from typing import Any

import av
import numpy as np

from lipsync_ray.media.picture import FULL_RANGE, U8

GROUND = 128  # level of red, green and blue: a grey that suits both dark hair and pale skin
_OPAQUE = 255
_LIMITED_GROUND = round(16 + GROUND * 219 / 255)
_NO_COLOUR = 128  # level of both chroma planes
_BT601 = 5  # swscale's code; the same code on both sides applies no matrix
_PALETTE = "pal8"  # its colours may have alpha


def has_alpha(frame: Any) -> bool:
    """Whether a frame's format can store transparency."""
    return frame.format.name == _PALETTE or any(component.is_alpha for component in frame.format.components)


def is_transparent(frame: Any) -> bool:
    """Whether any pixel is not fully opaque."""
    return on_ground(frame) is not frame


def on_ground(frame: Any) -> Any:
    """A decoded frame with :data:`GROUND` behind its transparent parts; an opaque frame is returned itself.

    The result is 8-bit RGB, or 8-bit 4:4:4 in the frame's own matrix and range.
    """
    if not has_alpha(frame):
        return frame
    if not frame.format.name.startswith("yuva"):
        pixels = frame.reformat(format="rgba").to_ndarray()
        alpha = pixels[..., 3:]
        if alpha.min() == _OPAQUE:
            return frame
        return av.VideoFrame.from_ndarray(_mixed(pixels[..., :3], GROUND, alpha), format="rgb24")
    whole = frame.reformat(format="yuva444p", src_colorspace=_BT601, dst_colorspace=_BT601)
    y, u, v, alpha = (_rows(plane) for plane in whole.planes)
    if alpha.min() == _OPAQUE:
        return frame
    made = av.VideoFrame(frame.width, frame.height, "yuv444p")
    made.colorspace, made.color_range = frame.colorspace, frame.color_range
    luma = GROUND if int(frame.color_range) == FULL_RANGE else _LIMITED_GROUND
    for plane, rows, ground in zip(made.planes, (y, u, v), (luma, _NO_COLOUR, _NO_COLOUR), strict=True):
        _rows(plane)[:] = _mixed(rows, ground, alpha)
    return made


def _rows(plane: Any) -> U8:
    return np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]


def _mixed(levels: U8, ground: int, alpha: U8) -> U8:
    """Blend levels over a background, rounded to nearest."""
    over = levels.astype(np.uint16) * alpha + ground * (_OPAQUE - alpha.astype(np.uint16))
    return ((over + _OPAQUE // 2) // _OPAQUE).astype(np.uint8)
