"""Whether a reference shows what the video shows: a few frames of both, at equal times, before anything is scored.

Another person's video of the same size and length would go into the means as a picture that suffered badly.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lipsync_ray.engine.stages import Failure
from lipsync_ray.io import storage
from lipsync_ray.media import decode
from lipsync_ray.media.probe import VideoInfo
from lipsync_ray.media.timeline import Loop, source_frames
from lipsync_ray.metrics.image import alike

if TYPE_CHECKING:  # the run, of which workers need not know
    from lipsync_ray.jobs.evaluate.state import EvaluateRun, EvaluateState

FRAMES = 5  # that are compared, spread over the video
# In no frame of two scenes does this part of the picture agree. Measured on real videos, in the frame where most does: 0.11 at most
# for different scenes, 0.21 for 19 in 20 pairs of news anchors in like studios; 0.49 at least for one scene that was scaled to a
# tenth, blurred, brightened, made noisy or covered by bars, 0.46 for one that was moved by a second.
SAME_SCENE = 0.25


@dataclass(frozen=True)
class LikenessOrder:
    """A video and its reference, to be compared; `loop` as of :class:`~lipsync_ray.jobs.evaluate.evaluation_input.EvaluationInput`."""

    key: str
    video: VideoInfo
    reference: VideoInfo
    loop: Loop | None


def likeness(order: LikenessOrder) -> float | None:
    """Part of the picture that agrees, 0 to 1, in the first frame that shows the same scene, else in the one where most does.

    Returns
    -------
    None where no frame can be compared

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
            if part >= SAME_SCENE:  # one is enough; to seek the others costs as much as to decode the video
                break
    return most


def leave_other_scenes(run: EvaluateRun) -> None:
    """Compare no video with a reference that shows another scene; what an earlier run found of it is kept with its score."""
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
            continue  # what cannot be decoded fails where it is scored
        reason = (
            f"{order.reference.url} shows another scene: at most {part:.0%} of a frame agrees with the video's at equal times. "
            "Expected the video that this one was made of"
        )
        for state in pairs[order.key]:
            state.reference_error, state.reference = reason, None
