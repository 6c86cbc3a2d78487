"""Maps output frames to source frames, by arithmetic on frame numbers."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.media.choices import Loop

I64 = NDArray[np.int64]


def source_frames(output: I64, count: int, loop: Loop) -> I64:
    """Source frame of each output frame.

    "pingpong" plays forward, then backward without repeating either end; "restart" jumps to the beginning; "freeze"
    repeats the last frame.

    Parameters
    ----------
    output : (n,) output frame numbers
    count : number of source frames
    """
    if loop == "freeze" or count == 1:
        return np.minimum(output, count - 1)
    if loop == "restart":
        return output % count
    period = 2 * (count - 1)
    phase = output % period
    return np.where(phase < count, phase, period - phase)


def at_rate(frames: int, rate: Fraction, target: Fraction) -> I64:
    """Source frame at each step of a grid of another rate, as ``ffmpeg -r`` selects them.

    Step k shows the last frame whose time, rounded to the grid, is at most k.

    Parameters
    ----------
    frames : number of frames of the video
    rate, target : frames/s of the video and of the grid
    """
    ratio = target / rate
    numbers = np.arange(frames, dtype=np.int64)
    first_outputs = (2 * numbers * ratio.numerator + ratio.denominator) // (2 * ratio.denominator)  # ⌊n · ratio + ½⌋
    lasts = max(1, int(frames * ratio + Fraction(1, 2)))
    return np.asarray(np.searchsorted(first_outputs, np.arange(lasts), side="right") - 1, np.int64).clip(0)


def split(frames: int, rate: Fraction, seconds: float, batch: int = 1, multiple: int = 1) -> list[tuple[int, int]]:
    """Split a video into segments [start, stop) of about ``seconds``.

    Parameters
    ----------
    batch : the network's batch size; segments are whole batches if that changes their length by at most a third
    multiple : every segment starts at a multiple of this
    """
    length = max(1, round(seconds * float(rate)))
    rounded = round(length / batch) * batch
    if rounded and abs(rounded - length) <= length / 3:
        length = rounded
    length = max(1, round(length / multiple)) * multiple
    return [(start, min(frames, start + length)) for start in range(0, frames, length)]
