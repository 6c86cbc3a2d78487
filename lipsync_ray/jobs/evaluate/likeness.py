"""Checks that a reference shows the same scene as the video, on a few frames at equal times, before scoring.

Otherwise a wrong reference of the same size and length would enter the means as bad image quality.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lipsync_ray.engine.stages import Failure
from lipsync_ray.io import storage
from lipsync_ray.media import decode
from lipsync_ray.media.choices import Loop
from lipsync_ray.media.probe import VideoInfo
from lipsync_ray.media.timeline import source_frames
from lipsync_ray.metrics.image import alike

if TYPE_CHECKING:  # the run, of which workers need not know
    from lipsync_ray.jobs.evaluate.state import EvaluateRun, EvaluateState

FRAMES = 5  # compared frames, spread over the video
# Share of the picture that agrees in the best frame, measured on real videos: at most 0.11 for different scenes, 0.21
# for 19 in 20 pairs of news anchors in similar studios; at least 0.49 for the same scene scaled to a tenth, blurred,
# brightened, made noisy or covered by bars, 0.46 for one shifted by a second.
SAME_SCENE = 0.25


@dataclass(frozen=True)
class LikenessOrder:
    """A video and its reference, to be compared; `loop` as of :class:`~lipsync_ray.jobs.evaluate.evaluation_input.EvaluationInput`."""

    key: str
    video: VideoInfo
    reference: VideoInfo
    loop: Loop | None


def likeness(order: LikenessOrder) -> float | None:
    """Part of the picture that agrees, 0 to 1, in the first frame that shows the same scene, else in the best frame.

    Returns
    -------
    None if no frame can be compared

    Raises
    ------
    MediaError : one of the two cannot be decoded
    """
    video, reference = order.video, order.reference
    frames_used = np.unique(((np.arange(FRAMES) + 0.5) / FRAMES * video.frames).astype(np.int64))
    source = frames_used if order.loop is None else source_frames(frames_used, reference.frames, order.loop)
    most: float | None = None
    for frame, other in zip(frames_used.tolist(), np.minimum(source, reference.frames - 1).tolist(), strict=True):
        ours, theirs = (next(decode.pictures(info, at, at + 1)) for info, at in ((video, frame), (reference, other)))
        part = alike(ours.y, theirs.y)
        if part is not None:
            most = max(most or 0.0, part)
            if part >= SAME_SCENE:  # one is enough; seeking the others costs as much as decoding the video
                break
    return most


def leave_other_scenes(run: EvaluateRun) -> None:
    """Drop references that show another scene. The result of an earlier run is in its score."""
    orders: dict[str, LikenessOrder] = {}
    pairs: dict[str, list[EvaluateState]] = defaultdict(list)
    for state in run.known.values():
        item, info, reference = state.item, state.info, state.reference
        if info is None or reference is None or item.video == item.reference:
            continue
        if (scored := run.ended.get(state.id)) is not None:
            if scored.reference_error is not None:
                state.reference_error, state.reference = scored.reference_error, None
            continue
        key = storage.digest(state.video_key, state.reference_key, item.loop)
        orders[key] = LikenessOrder(key, info, reference, item.loop)
        pairs[key].append(state)
    for order, part in run.context.map_tasks("likeness", likeness, list(orders.values())):
        if isinstance(part, Failure) or part is None or part >= SAME_SCENE:
            continue  # undecodable videos fail during scoring
        reason = (
            f"{order.reference.url} shows another scene: at most {part:.0%} of a frame agrees with the video's at "
            "equal times. Expected the source video"
        )
        for state in pairs[order.key]:
            state.reference_error, state.reference = reason, None
