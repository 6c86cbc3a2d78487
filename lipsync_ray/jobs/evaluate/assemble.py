"""Aggregates a video's numbers when its last range has been scored."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.io import storage
from lipsync_ray.jobs.evaluate.face_tracks import RATE, read_face_tracks
from lipsync_ray.jobs.evaluate.judged import Lips, Sounds, Verdict, disagreements, verdict
from lipsync_ray.jobs.evaluate.scores import TrackScore
from lipsync_ray.metrics import image, lse
from lipsync_ray.metrics.lse import SyncScore

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]


@dataclass(frozen=True)
class AggregateOrder:
    """A video to aggregate.

    Attributes
    ----------
    key : id of the item
    parts : URLs of its ranges' numbers, in order
    tracks_url : its face tracks
    windows : number per track
    padded : see :func:`lipsync_ray.metrics.lse.score`
    sounds : input of the judges; None without judges
    """

    key: str
    parts: tuple[str, ...]
    tracks_url: str
    windows: tuple[int, ...]
    padded: bool
    sounds: Sounds | None = None


@dataclass(frozen=True)
class VideoMetrics:
    """The numbers of one video; fields as in :class:`~lipsync_ray.jobs.evaluate.scores.Score`."""

    tracks: tuple[TrackScore, ...]
    curve: tuple[float, ...]
    confidence: tuple[float, ...]
    confidence_start_s: float | None
    offset: int | None
    compared_frames: int
    psnr_db: float | None
    ssim: float | None
    sharpness: float | None
    sharpness_reference: float | None
    jitter: float | None
    jitter_reference: float | None
    verdict: Verdict | None


def aggregate(order: AggregateOrder) -> VideoMetrics:
    """Read the numbers of a video's ranges and score it."""
    tracks = read_face_tracks(order.tracks_url)
    parts = []
    for url in order.parts:
        with np.load(io.BytesIO(storage.read_bytes(url))) as arrays:
            parts.append(dict(arrays))
    scores: dict[int, SyncScore] = {}
    for track, windows in enumerate(order.windows):
        if windows:
            lips, sounds = (
                np.concatenate([part[f"{name}-{track}"] for part in parts if f"{name}-{track}" in part])
                for name in ("lips", "sounds")
            )
            if len(lips) != windows:
                raise ValueError(f"{order.key}: {len(lips)} windows of track {track} in its parts, {windows} planned")
            scores[track] = lse.score(lips, sounds, order.padded)
    starts = {track: float(tracks.start[track] / RATE) for track in scores}
    longest = max(scores, key=lambda track: (scores[track].windows, -track), default=None)
    main = scores[longest] if longest is not None else None
    found = {name: _joined(parts, name) for name in ("mse", "ssim", "sharpness", "sharpness_reference")}
    mse = _mean(found["mse"])
    return VideoMetrics(
        tuple(
            TrackScore(starts[track], score.windows, score.distance, score.confidence, score.offset)
            for track, score in scores.items()
        ),
        tuple(lse.mean_curve(np.array([score.curve for score in scores.values()])).tolist()) if scores else (),
        main.per_window if main else (),
        starts[longest] if longest is not None else None,
        main.offset if main else None,
        len(found["mse"]),
        None if mse is None else image.psnr(mse),
        _mean(found["ssim"]),
        _mean(found["sharpness"]),
        _mean(found["sharpness_reference"]),
        _mean(_joined(parts, "jitter")),
        _mean(_joined(parts, "jitter_reference")),
        None if order.sounds is None else verdict(_lips(parts), _lips(parts, "_reference"), order.sounds),
    )


def values_of(metrics: VideoMetrics, scorer: str) -> dict[str, Any]:
    """A video's numbers as columns of a :class:`~lipsync_ray.jobs.evaluate.scores.Score`."""
    tracks = metrics.tracks
    best = max(tracks, key=lambda track: track.confidence, default=None)
    names = ("lse_d", "lse_c") if scorer == "syncnet" else ("mini_sync_d", "mini_sync_c")
    values: dict[str, Any] = {
        column: sum(getattr(track, name) for track in tracks) / len(tracks) if tracks else None
        for column, name in zip(names, ("distance", "confidence"), strict=True)
    }
    for name in ("psnr_db", "ssim", "sharpness", "sharpness_reference", "jitter", "jitter_reference"):
        values[name] = getattr(metrics, name)
    if metrics.verdict is not None:
        values |= vars(metrics.verdict)
        values["warnings"] = disagreements(metrics.verdict, metrics.offset)
    return values | {
        "offset": metrics.offset,
        "tracks": len(tracks),
        "windows": sum(track.windows for track in tracks),
        "best_distance": best.distance if best else None,
        "best_confidence": best.confidence if best else None,
        "compared_frames": metrics.compared_frames or None,
        "curve": list(metrics.curve),
        "confidence": list(metrics.confidence),
        "confidence_start_s": metrics.confidence_start_s,
        "track_scores": list(tracks),
    }


def _lips(parts: list[dict[str, Any]], suffix: str = "") -> Lips:
    """Lip measurements of a video, or of its reference; NaN in ranges that were not measured."""
    lips = Lips.none(max((int(part["stop"]) for part in parts), default=0))
    for part in parts:
        if f"opening{suffix}" in part:
            own = slice(int(part["start"]), int(part["stop"]))
            lips.opening[own], lips.embedded[own] = part[f"opening{suffix}"], part[f"seen{suffix}"]
    return lips


def _joined(parts: list[dict[str, F64]], name: str) -> F64:
    return np.concatenate([part[name] for part in parts if name in part] or [np.zeros(0)])


def _mean(values: F64) -> float | None:
    there = values[~np.isnan(values)]
    return float(there.mean()) if len(there) else None
