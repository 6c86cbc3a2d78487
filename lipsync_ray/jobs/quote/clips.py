"""The clip that costs are measured by: somebody's face in the middle of a wall, at any size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

_RATE = Fraction(25)
_MOVING = 0.7  # of the frame's shorter side: the person
_GRAIN = 1.5  # levels, standard deviation: with it, encoding costs what it does of real talking heads of 512² and 1080p


def pictures_of(source: Path, width: int, height: int) -> list[NDArray[np.uint8]]:
    """(height, width, 3) uint8 RGB: a video in the middle of a wall that stands still, with a camera's grain over all of it:
    what moves is what an encoder works on."""
    chance = np.random.default_rng(0)
    side = round(min(width, height) * _MOVING / 2) * 2
    left, top = (width - side) // 2, (height - side) // 2
    around = ((top, height - side - top), (left, width - side - left), (0, 0))
    out: list[NDArray[np.uint8]] = []
    with av.open(str(source)) as container:
        for frame in container.decode(video=0):
            moving = frame.reformat(side, side, "rgb24").to_ndarray()
            picture = out[0].copy() if out else np.pad(moving, around, mode="edge")
            picture[top : top + side, left : left + side] = moving
            out.append(picture)
    for picture in out:
        grain = chance.normal(0, _GRAIN, (height, width, 1)).astype(np.float32)
        picture[:] = np.clip(picture + grain, 0, 255).astype(np.uint8)
    return out


def write_clip(
    target: Path,
    pictures: Sequence[NDArray[np.uint8]],
    encoder: str,
    form: str = "yuv420p",
    transfer: int | None = None,
    options: Mapping[str, str] | None = None,
) -> None:
    """Encode pictures at 25 a second.

    Parameters
    ----------
    encoder : FFmpeg's name
    form : FFmpeg's name of the pixel format
    transfer : code of ITU-T H.273 that the stream is tagged with
    options : of the encoder; without any it gets 4 Mbit/s
    """
    given = dict(options or {})
    if encoder == "libx265":  # it writes to the terminal by itself
        given["x265-params"] = "log-level=none"
    with av.open(str(target), "w") as container:
        stream: Any = container.add_stream(encoder, rate=_RATE, options=given)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = form
        if not options:
            stream.bit_rate = 4_000_000
        if transfer is not None:
            stream.codec_context.color_trc = transfer
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
