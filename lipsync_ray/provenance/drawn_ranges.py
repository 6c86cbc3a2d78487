"""Converts per-frame boxes to time ranges with one bounding rectangle each."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from lipsync_ray.io.results import Drawn
from lipsync_ray.media.picture import Box

GAP_S = Fraction(1)  # seconds: a longer gap without a face ends a range


def drawn_ranges(boxes: Sequence[Box | None], scenes: Sequence[int], rate: Fraction) -> tuple[Drawn, ...]:
    """Time ranges and rectangles in which something was drawn.

    Parameters
    ----------
    boxes : box of each frame; None if nothing was drawn
    scenes : scene number of each frame; a new scene starts a new range
    rate : frames/s
    """
    found: list[tuple[int, int, Box, int]] = []  # first frame, one past the last, box, scene
    for frame, (box, scene) in enumerate(zip(boxes, scenes, strict=True)):
        if box is None:
            continue
        if found and found[-1][3] == scene and frame - found[-1][1] < GAP_S * rate:
            start, _, before, _ = found[-1]
            found[-1] = start, frame + 1, around(before, box), scene
        else:
            found.append((frame, frame + 1, box, scene))
    return tuple(
        Drawn(
            round(float(start / rate), 3), round(float(stop / rate), 3), *map(int, (box.x0, box.y0, box.width, box.height))
        )
        for start, stop, box in ((start, stop, box.even()) for start, stop, box, _ in found)
    )  # fmt: skip


def around(one: Box, other: Box) -> Box:
    """The smallest box that contains both."""
    return Box(min(one.x0, other.x0), min(one.y0, other.y0), max(one.x1, other.x1), max(one.y1, other.y1))
