"""The colour of decoded frames: RGB or its like, or tags."""

from __future__ import annotations

from typing import Any

from lipsync_ray.media.picture import RGB_AS, Colour

_RGB_MATRIX = 0
_PALETTE = "pal8"


def is_rgb_like(frame: Any) -> bool:
    """Whether a frame must be converted via RGB: it is RGB, has a palette, or is grey with RGB's tags."""
    return bool(frame.format.is_rgb) or frame.format.name == _PALETTE or int(frame.colorspace) == _RGB_MATRIX


def colour_of(frame: Any, stream: Any) -> Colour:
    """The colour of the planes that a frame becomes."""
    if is_rgb_like(frame):
        return RGB_AS
    full = frame.format.name.startswith("yuvj") or int(frame.color_range) == 2
    context = stream.codec_context
    return Colour(
        matrix=int(frame.colorspace),
        range=2 if full else int(frame.color_range),
        primaries=int(context.color_primaries),
        transfer=int(context.color_trc),
    )
