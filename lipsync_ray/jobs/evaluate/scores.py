"""The rows of videos.parquet: what an evaluation says of one video."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from lipsync_ray.io.records import Records

FILE = "metrics/videos.parquet"
Status = Literal["scored", "not_scored", "failed"]
STILL = 1e-4  # of the eyes' distance: a landmark jitter below it is that of a still picture


@dataclass(frozen=True)
class TrackScore:
    """One face track's score.

    Attributes
    ----------
    start_s : where in the video it begins, in seconds
    windows : that it was scored by
    distance, confidence, offset : as in :class:`~lipsync_ray.metrics.lse.SyncScore`
    """

    start_s: float
    windows: int
    distance: float
    confidence: float
    offset: int


@dataclass(frozen=True)
class Score:
    """The row of one video.

    Attributes
    ----------
    id, video, reference, language, model : what was scored
    status : "scored"; "not_scored", with a reason; "failed", where the video could not be used at all
    stage, error : where and why it was not scored
    scorer, protocol : whose numbers
    lse_d, lse_c : SyncNet's, mean over tracks with equal weight; null for another scorer
    mini_sync_d, mini_sync_c : the bundled scorer's, likewise
    offset : frames of 40 ms by which the sound leads, of the longest track; 0 is in sync
    tracks, windows : that were scored
    best_distance, best_confidence : of the track with the highest confidence
    psnr_db, ssim : outside the mouths, against the reference
    sharpness, sharpness_reference : variance of the Laplacian of the mouths, in squared levels
    jitter, jitter_reference : mean second difference of the landmarks, in parts of the eyes' distance
    compared_frames : that those are means of
    reference_error : why nothing was compared
    openness_corr : correlation of the lips' opening with the one that a judge hears in the video's sound, where somebody speaks
    openness_corr_best, openness_corr_lag : the highest within ±8 frames of 40 ms, and where; positive where the lips come late
    openness_corr_other : of the same lips with another sound of the evaluation
    openness_corr_undubbed : of the reference's lips with the video's sound
    openness_corr_real : of the reference's lips with its own sound, at best lag
    sync_cosine : mean cosine of lips and sound for a sync expert that took part in no training, frame by frame
    sync_cosine_best, sync_cosine_lag, sync_cosine_other, sync_cosine_undubbed, sync_cosine_real : as of `openness_corr`
    leak : correlation of the opening with the reference's, frame by frame
    lip_motion : standard deviation of the opening beside the reference's
    silent_lips, silent_lips_reference : mean change of the opening a frame in silence, in parts of the eyes' distance
    warnings : where a score and a judge disagree, or a number is too good
    frames, rate, width, height, duration_s : of the video
    curve : (31,) mean distance at shifts +15 … −15, mean over tracks
    confidence : per window of the longest track, smoothed
    confidence_start_s : time of the first of them
    track_scores : of each track
    seconds : of work
    attempts : most processes that one of its rows needed
    fingerprint : of inputs and settings
    drawn_per_s : frames that a second of the dub's work made, its stages added up; null where nobody knows
    gpu_mb : most memory that a process which drew it had of its GPU; null on a CPU
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
    def sync_d(self) -> float | None:
        """The distance of whichever scorer was used."""
        return self.lse_d if self.lse_d is not None else self.mini_sync_d

    @property
    def sync_c(self) -> float | None:
        """Its confidence."""
        return self.lse_c if self.lse_c is not None else self.mini_sync_c

    @property
    def sharpness_ratio(self) -> float | None:
        """Sharpness of the mouth beside the reference's; 1 is as sharp."""
        return self.sharpness / self.sharpness_reference if self.sharpness and self.sharpness_reference else None

    @property
    def jitter_ratio(self) -> float | None:
        """Shaking beside the reference's; 1 is as steady. None where the reference is a still picture."""
        if self.jitter is None or self.jitter_reference is None or self.jitter_reference < STILL:
            return None
        return self.jitter / self.jitter_reference


SCORES = Records(Score, FILE)
