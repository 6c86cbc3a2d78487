"""Aggregates a video's numbers when its last range has been scored."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.io import storage
from lipsync_ray.jobs.evaluate.face_tracks import RATE, read_face_tracks
from lipsync_ray.jobs.evaluate.judged import Lips, Sounds, judge_lips
from lipsync_ray.jobs.evaluate.scores import COLUMNS, METRICS, TrackScore
from lipsync_ray.metrics import image, lse, visible_faults
from lipsync_ray.metrics.lse import SyncScore


@dataclass(frozen=True)
class AggregateOrder:
    """A video to aggregate.

    Attributes
    ----------
    key : id of the item
    parts : URLs of its ranges' numbers, in order
    tracks_url : its face tracks
    windows : number per track
    scorer, padded : name of the scorer; see :func:`lipsync_ray.metrics.lse.score`
    sounds : input of the judges; None without judges
    """

    key: str
    parts: tuple[str, ...]
    tracks_url: str
    windows: tuple[int, ...]
    scorer: str
    padded: bool
    sounds: Sounds | None = None


def aggregate(order: AggregateOrder) -> dict[str, Any]:
    """Read the numbers of a video's ranges and score it.

    Returns
    -------
    columns of its :class:`~lipsync_ray.jobs.evaluate.scores.Score`
    """
    parts = []
    for url in order.parts:
        with np.load(io.BytesIO(storage.read_bytes(url))) as arrays:
            parts.append(dict(arrays))
    names = sorted({name for part in parts for name in part})
    values: dict[str, Any] = {name: _mean(_joined(parts, name)) for name in names if name in COLUMNS}
    mse = _joined(parts, "mse")
    if (mean := _mean(mse)) is not None:
        values["psnr_db"] = image.psnr(mean)
    values["compared_frames"] = len(mse) or None
    values |= _visible(parts)
    if order.sounds is not None:
        values |= judge_lips(_lips(parts), _lips(parts, "_reference"), order.sounds)
    return values | _sync(order, parts)


def _visible(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Columns of what a viewer sees at once: of the second or frame in which it is worst, a seam of the whole video."""
    light, change = _joined(parts, "light").reshape(-1, 3), _joined(parts, "change")
    tints = [visible_faults.seconds(light[:, channel]) for channel in (1, 2)]
    edges = _joined(parts, "edges").reshape(-1, visible_faults.ROWS, visible_faults.COLUMNS)
    return {
        "seam": visible_faults.seam(edges),
        "flicker": _largest(visible_faults.seconds(_joined(parts, "flicker"))),
        "colour_cast": _largest(np.hypot(*tints)),
        "frame_change": _largest(change),
    }


def _sync(order: AggregateOrder, parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Columns of the scorer."""
    start = read_face_tracks(order.tracks_url).start
    scores: list[SyncScore] = []
    tracks: list[TrackScore] = []
    for track, windows in enumerate(order.windows):
        if windows:
            lips, sounds = (_joined(parts, f"{name}-{track}") for name in ("lips", "sounds"))
            if len(lips) != windows:
                raise ValueError(f"{order.key}: {len(lips)} windows of track {track} in its parts, {windows} planned")
            found = lse.score(lips, sounds, order.padded)
            scores.append(found)
            begin = float(start[track] / RATE)
            tracks.append(TrackScore(begin, found.windows, found.distance, found.confidence, found.offset))
    values: dict[str, Any] = {"tracks": len(tracks), "windows": sum(track.windows for track in tracks)}
    if not tracks:
        return values
    longest = max(range(len(scores)), key=lambda track: (scores[track].windows, -track))
    best = max(tracks, key=lambda track: track.confidence)
    values |= {
        metric.name: sum(getattr(track, metric.track_mean) for track in tracks) / len(tracks)
        for metric in METRICS
        if metric.scorer == order.scorer
    }
    return values | {
        "offset": scores[longest].offset,
        "best_distance": best.distance,
        "best_confidence": best.confidence,
        "curve": lse.mean_curve(np.array([score.curve for score in scores])).tolist(),
        "confidence": list(scores[longest].per_window),
        "confidence_start_s": tracks[longest].start_s,
        "track_scores": tracks,
    }


def _lips(parts: list[dict[str, Any]], suffix: str = "") -> Lips:
    """Lip measurements of a video, or of its reference; NaN in ranges that were not measured."""
    lips = Lips.none(max((int(part["stop"]) for part in parts), default=0))
    for part in parts:
        if f"opening{suffix}" in part:
            own = slice(int(part["start"]), int(part["stop"]))
            lips.opening[own], lips.embedded[own] = part[f"opening{suffix}"], part[f"seen{suffix}"]
    return lips


def _joined(parts: list[dict[str, Any]], name: str) -> NDArray[Any]:
    """An array of the whole video from those of its ranges."""
    return np.concatenate([part[name] for part in parts if name in part] or [np.zeros(0)])


def _mean(values: NDArray[Any]) -> float | None:
    there = values[~np.isnan(values)]
    return float(there.mean()) if len(there) else None


def _largest(values: NDArray[Any]) -> float | None:
    there = values[~np.isnan(values)]
    return float(there.max()) if len(there) else None
