"""Finds the watermark in a file's pixels, without its source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av.error
import cv2
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.media import mark_search
from lipsync_ray.media.container import main_stream, opened
from lipsync_ray.media.mark_code import id_text

F32 = NDArray[np.float32]

STRETCH_S, STRETCHES = 5, 4  # seconds that are averaged; number of such ranges, spread over the video
_MEANS = STRETCHES + 1  # one for each range and one for all
_MOST_LINES = 1080  # larger pictures are reduced to this height
_LEAST_LINES = 32


@dataclass(frozen=True)
class Watermark:
    """A detected watermark.

    Attributes
    ----------
    id : its id, as in column `watermark` of results.parquet; None if too faint to read
    score : z-score above a file without a mark
    false_alarm : upper bound of the probability that a file without a mark gives such a score
    """

    id: str | None
    score: float
    false_alarm: float


def find_watermark(path: Path, secrets: Sequence[bytes]) -> Watermark | None:
    """Find the watermark of a video or picture; None if it has none by these keys.

    Parameters
    ----------
    path : local file

    Raises
    ------
    ProbeError, DecodeError
    """
    with opened(str(path)) as container:
        stream = main_stream(container)
        return None if stream is None else search(_stretches(container, stream), secrets)


def search(stretches: Iterator[list[F32]] | Sequence[list[F32]], secrets: Sequence[bytes]) -> Watermark | None:
    """Search ranges of frames: each one at the likeliest scales, and their mean at every scale.

    Parameters
    ----------
    stretches : for each range the (h, w) float32 mean luma of its frames; an empty list without any
    """
    means: list[F32] = []
    for found in stretches:
        for mean in found:
            if means and mean.shape != means[0].shape:
                continue
            means.append(mean)
            if (mark := _found(mean, secrets, quick=True)) is not None:
                return mark
    return _found(np.asarray(np.mean(means, 0), np.float32), secrets, quick=False) if means else None


def _found(mean: F32, secrets: Sequence[bytes], quick: bool) -> Watermark | None:
    height, width = mean.shape
    if min(width, height) < _LEAST_LINES:
        return None
    tried = mark_search.hypotheses(width, height, _MEANS, len(secrets))
    mark = mark_search.find(mean, secrets, tried, quick)
    if mark is None or (quick and mark.ident is None):
        return None
    ident = None if mark.ident is None else id_text(mark.ident)
    return Watermark(ident, round(mark.score, 2), mark.false_alarm)


def _stretches(container: Any, stream: Any) -> Iterator[list[F32]]:
    lasts = Fraction(container.duration or 0, av.time_base)
    count = min(STRETCHES, max(1, round(lasts / STRETCH_S)))
    apart = max(Fraction(STRETCH_S), (lasts - STRETCH_S) / max(1, count - 1)) if count > 1 else Fraction(0)
    for number in range(count):
        yield _mean(container, stream, number * apart)


def _mean(container: Any, stream: Any, begin: Fraction) -> list[F32]:
    """Mean luma of a range's frames; empty if none can be decoded."""
    total: Any = None
    count = 0
    try:
        start = stream.start_time or 0
        if begin > 0:
            container.seek(start + int(begin / stream.time_base), stream=stream)
        for frame in container.decode(stream):
            at = begin if frame.pts is None else (frame.pts - start) * stream.time_base
            if at < begin:
                continue
            if at >= begin + STRETCH_S or count > 120 * STRETCH_S:
                break
            luma = _luma(frame)
            total = np.zeros(luma.shape, np.float32) if total is None else total
            if luma.shape == total.shape:
                cv2.accumulate(luma, total)
                count += 1
    except (av.error.FFmpegError, OSError):
        pass  # use the frames decoded so far
    return [total / count] if count else []


def _luma(frame: Any) -> NDArray[np.uint8]:
    """(h, w) uint8 luma, reduced to at most :data:`_MOST_LINES` lines."""
    if frame.format.name in ("yuv420p", "yuvj420p", "nv12", "yuv422p", "yuv444p"):
        plane = frame.planes[0]
        luma = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: frame.height, : frame.width]
    else:
        luma = frame.to_ndarray(format="gray")
    short = min(luma.shape)
    if short > _MOST_LINES:
        scale = _MOST_LINES / short
        luma = cv2.resize(luma, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(luma, np.uint8)
