"""The rows of videos.parquet: results of an evaluation per video."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from lipsync_ray.io.records import Records

FILE = "metrics/videos.parquet"
Status = Literal["scored", "not_scored", "failed"]
STILL = 1e-4  # eye distances: a smaller landmark jitter is that of a still picture


@dataclass(frozen=True)
class TrackScore:
    """One face track's score.

    Attributes
    ----------
    start_s : start in the video, in seconds
    windows : number of scored windows
    distance, confidence, offset : as in :class:`~lipsync_ray.metrics.lse.SyncScore`
    """

    start_s: float
    windows: int
    distance: float
    confidence: float
    offset: int


@dataclass(frozen=True)
class Score:
    """Result of one video.

    Attributes
    ----------
    id, video, reference, language, model : of the input
    status : "scored"; "not_scored", with a reason; "failed" if the video is unusable
    stage, error : where and why it was not scored
    scorer, protocol : used for the scores
    lse_d, lse_c : SyncNet's, mean over tracks with equal weight; null for another scorer
    mini_sync_d, mini_sync_c : the bundled scorer's, likewise
    offset : frames of 40 ms by which the sound leads, of the longest track; 0 is in sync
    tracks, windows : number scored
    best_distance, best_confidence : of the track with the highest confidence
    psnr_db, ssim : outside the mouths, against the reference
    sharpness, sharpness_reference : variance of the Laplacian of the mouths, in squared levels
    jitter, jitter_reference : mean second difference of the landmarks, in parts of the eyes' distance
    compared_frames : number of frames in these means
    reference_error : why nothing was compared
    openness_corr : correlation of the lips' opening with a judge's prediction from the video's sound, during speech
    openness_corr_best, openness_corr_lag : the highest within ±8 frames of 40 ms, and its lag; positive if the lips are
        late
    openness_corr_other : of the same lips with another sound of the evaluation
    openness_corr_undubbed : of the reference's lips with the video's sound
    openness_corr_real : of the reference's lips with its own sound, at best lag
    sync_cosine : mean cosine of lips and sound per frame, by a sync expert never used in training
    sync_cosine_best, sync_cosine_lag, sync_cosine_other, sync_cosine_undubbed, sync_cosine_real : as of `openness_corr`
    leak : correlation of the opening with the reference's, frame by frame
    lip_motion : standard deviation of the opening relative to the reference's
    silent_lips, silent_lips_reference : mean change of the opening per frame in silence, in eye distances
    warnings : disagreements between score and judge, implausibly good numbers
    frames, rate, width, height, duration_s : of the video
    curve : (31,) mean distance at shifts +15 … −15, mean over tracks
    confidence : per window of the longest track, smoothed
    confidence_start_s : time of the first of them
    track_scores : of each track
    seconds : of work
    attempts : largest number of processes that one of its rows needed
    fingerprint : of inputs and settings
    drawn_per_s : frames per second of the dub's work, over all its stages; null if unknown
    gpu_mb : peak GPU memory in MB of a process that drew it; null on a CPU
    """

    id: str
    video: str
    reference: str | None
    language: str | None
    model: str | None
    status: Status
    stage: str | None = None
    error: str | None = None
    scorer: str | None = None
    protocol: str | None = None
    lse_d: float | None = None
    lse_c: float | None = None
    mini_sync_d: float | None = None
    mini_sync_c: float | None = None
    offset: int | None = None
    tracks: int | None = None
    windows: int | None = None
    best_distance: float | None = None
    best_confidence: float | None = None
    psnr_db: float | None = None
    ssim: float | None = None
    sharpness: float | None = None
    sharpness_reference: float | None = None
    jitter: float | None = None
    jitter_reference: float | None = None
    compared_frames: int | None = None
    reference_error: str | None = None
    frames: int | None = None
    rate: str | None = None
    width: int | None = None
    height: int | None = None
    duration_s: float | None = None
    curve: list[float] = field(default_factory=list)
    confidence: list[float] = field(default_factory=list)
    confidence_start_s: float | None = None
    track_scores: list[TrackScore] = field(default_factory=list)
    seconds: float | None = None
    attempts: int | None = None
    fingerprint: str | None = None
    openness_corr: float | None = None
    openness_corr_best: float | None = None
    openness_corr_lag: int | None = None
    openness_corr_other: float | None = None
    openness_corr_undubbed: float | None = None
    openness_corr_real: float | None = None
    sync_cosine: float | None = None
    sync_cosine_best: float | None = None
    sync_cosine_lag: int | None = None
    sync_cosine_other: float | None = None
    sync_cosine_undubbed: float | None = None
    sync_cosine_real: float | None = None
    leak: float | None = None
    lip_motion: float | None = None
    silent_lips: float | None = None
    silent_lips_reference: float | None = None
    warnings: list[str] = field(default_factory=list)
    drawn_per_s: float | None = None
    gpu_mb: int | None = None

    @property
    def sync_c(self) -> float | None:
        """The confidence of whichever scorer was used."""
        return self.lse_c if self.lse_c is not None else self.mini_sync_c

    @property
    def sharpness_ratio(self) -> float | None:
        """Sharpness of the mouth relative to the reference's; 1 is equal."""
        return self.sharpness / self.sharpness_reference if self.sharpness and self.sharpness_reference else None

    @property
    def jitter_ratio(self) -> float | None:
        """Jitter relative to the reference's; 1 is equal. None if the reference is a still picture."""
        if self.jitter is None or self.jitter_reference is None or self.jitter_reference < STILL:
            return None
        return self.jitter / self.jitter_reference


SCORES = Records(Score, FILE)
