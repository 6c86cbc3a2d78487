"""The rows of videos.parquet: results of an evaluation per video. Each metric is declared at its field."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Literal

from lipsync_ray.io.records import Records
from lipsync_ray.jobs.evaluate.metric import metric, metrics_of

METRICS_FOLDER = "metrics"
FILE = f"{METRICS_FOLDER}/videos.parquet"
SCORES_VERSION = 8  # raise when the same video and settings would get other numbers
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
    """Result of one video. A metric's declaration gives its meaning; the other fields stand below.

    Attributes
    ----------
    id, video, reference, language, model : of the input
    status : "scored"; "not_scored", with a reason; "failed" if the video is unusable
    stage, error : where and why it was not scored
    scorer, protocol : used for the scores
    offset : frames of 40 ms by which the sound leads, of the longest track; 0 is in sync
    tracks, windows : number scored
    best_distance, best_confidence : of the track with the highest confidence
    sharpness, sharpness_reference : variance of the Laplacian of the mouths, in squared levels
    jitter, jitter_reference : mean second difference of the landmarks, in parts of the eyes' distance
    compared_frames : number of frames in the means of picture, sharpness and jitter
    reference_error : why nothing was compared
    openness_corr_best, openness_corr_lag : the highest within ±8 frames of 40 ms, and its lag; positive if the lips are
        late
    sync_cosine_best, sync_cosine_lag : as of `openness_corr`
    lip_lag_gain : by how much lips and sound agree better at that lag than at none: correlation and two cosines
    silent_lips_reference : of the reference's lips, during its own silence
    warnings : disagreements between score and judge, implausibly good numbers
    faults : what :mod:`lipsync_ray.jobs.evaluate.checks` found, each with the check's name: what `dub --redo` makes anew
    frames, rate, width, height, duration_s : of the video
    curve : (31,) mean distance at shifts +15 … −15, mean over tracks
    confidence : per window of the longest track, smoothed
    confidence_start_s : time of the first of them
    track_scores : of each track
    seconds : of work
    attempts : largest number of processes that one of its rows needed
    fingerprint : of inputs and settings
    content : identity of the video that was scored
    stands_for : of a sample: rows of the table that this one stands for in a mean; None where all are scored
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
    # fmt: off
    lse_d: float | None = metric(
        "LSE-D", "lower", 3, "SyncNet's distance between lips and sound at the best shift.", "sync",
        scorer="syncnet", track_mean="distance", in_terminal=True,
    )
    lse_c: float | None = metric(
        "LSE-C", "higher", 3,
        "How clearly the best shift stands out from the others. Near 0: lips and sound are unrelated.", "sync",
        scorer="syncnet", track_mean="confidence", in_terminal=True,
    )
    mini_sync_d: float | None = metric(
        "mini-sync distance", "lower", 3,
        "The bundled scorer's distance between lips and sound at the best shift, 0 to 2. Not LSE-D, and not "
        "comparable with it.", "sync",
        scorer="mini-sync", track_mean="distance", in_terminal=True,
    )
    mini_sync_c: float | None = metric(
        "mini-sync confidence", "higher", 3,
        "How clearly the bundled scorer's best shift stands out. Not LSE-C, and not comparable with it.", "sync",
        scorer="mini-sync", track_mean="confidence", in_terminal=True,
    )
    offset: int | None = metric(
        "|AV offset|", "lower", 1,
        "Offset between sound and picture in frames of 40 ms. Up to 1 is imperceptible.", "sync",
        "|offset|, frames", "frames", signed="AV offset", in_terminal=True,
    )
    tracks: int | None = None
    windows: int | None = None
    best_distance: float | None = None
    best_confidence: float | None = None
    psnr_db: float | None = metric(
        "PSNR outside the mouth", "higher", 1,
        "Similarity to the source outside the mouth. Differences above 40 dB are invisible.", "picture",
        "PSNR, dB", "dB", from_zero=False, in_terminal=True,
    )
    ssim: float | None = metric(
        "SSIM outside the mouth", "higher", 4, "Structural similarity outside the mouth: 1 is identical.", "picture",
        "SSIM", from_zero=False,
    )
    sharpness: float | None = metric(
        "mouth sharpness ÷ source", "near 1", 2,
        "Sharpness of the drawn mouth relative to the source's. Below 1 it is softer.", "picture",
        "sharpness ÷ source", name="sharpness_ratio",
    )
    sharpness_reference: float | None = None
    jitter: float | None = metric(
        "landmark jitter ÷ source", "near 1", 2,
        "Frame-to-frame jitter of the face relative to the source. Above 1 it flickers.", "picture",
        "jitter ÷ source", name="jitter_ratio",
    )
    jitter_reference: float | None = None
    face_distance: float | None = metric(
        "another face than the source's", "lower", 2,
        "Distance of the face's descriptor from the source's: above 0.6 it is somebody else.", "faults",
        "face distance",
    )
    seam: float | None = metric(
        "seam around the mouth", "lower", 1,
        "Step across the strongest vertical edge in the face that the source does not have, in levels.", "faults",
        "seam, levels", "levels",
    )
    flicker: float | None = metric(
        "flicker of the lower face", "lower", 2,
        "How much its brightness jumps from frame to frame, relative to the source's, in the worst second.",
        "faults",
        "flicker, levels", "levels",
    )
    colour_cast: float | None = metric(
        "colour cast of the lower face", "lower", 1,
        "By how many levels its colour differs from the source's, in the worst second.", "faults",
        "cast, levels", "levels",
    )
    frame_change: float | None = metric(
        "largest change of a frame", "lower", 1,
        "Mean difference of a whole frame from the source's, in the frame where it is largest.", "faults",
        "change, levels", "levels",
    )
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
    content: str | None = None
    stands_for: float | None = None
    openness_corr: float | None = metric(
        "judge: opening follows the sound", "higher", 2,
        "Correlation of the lips' opening with the prediction of a network never used to train a generator, during "
        "speech.", "lips",
        "opening", in_terminal=True,
    )
    openness_corr_best: float | None = None
    openness_corr_lag: int | None = None
    openness_corr_other: float | None = metric(
        "judge: with another sound", "near 0", 2,
        "The same lips with another video's sound: the level of unrelated lips and sound.", "lips",
        "other sound", control_of="openness_corr", marker="x",
    )
    openness_corr_undubbed: float | None = metric(
        "judge: undubbed source", "near 0", 2, "The source's lips with the new sound.", "lips",
        "undubbed", control_of="openness_corr", marker="s",
    )
    openness_corr_real: float | None = metric(
        "judge: real video, own sound", "", 2,
        "The source's lips with its own sound, at the best lag: the level of real people.", "lips",
        "real", control_of="openness_corr", marker="D",
    )
    sync_cosine: float | None = metric(
        "judge: lips and sound agree", "higher", 2,
        "Mean cosine between lip and sound embeddings of a second sync expert, which was never used in training.",
        "lips",
        "agree",
    )
    sync_cosine_best: float | None = None
    sync_cosine_lag: int | None = None
    sync_cosine_other: float | None = metric(
        "judge: agree with another sound", "near 0", 2, "The same lips with another video's sound.", "lips",
        "agree, other", control_of="sync_cosine", marker="x",
    )
    sync_cosine_undubbed: float | None = metric(
        "judge: undubbed source agrees", "near 0", 2, "The source's lips with the new sound.", "lips",
        "agree, undubbed", control_of="sync_cosine", marker="s",
    )
    sync_cosine_real: float | None = metric(
        "judge: real video agrees", "", 2, "The source's lips with its own sound, at the best lag.", "lips",
        "agree, real", control_of="sync_cosine", marker="D",
    )
    leak: float | None = metric(
        "leak of the source's mouth", "near 0", 2,
        "Correlation of the lips' opening with the source frame's. Near 1: the lips still follow the source's speech.",
        "lips",
        "leak", in_terminal=True,
    )
    lip_motion: float | None = metric(
        "lip motion ÷ source", "near 1", 2, "Lip motion relative to the source's.", "lips", "lip motion"
    )
    spoken_motion: float | None = metric(
        "lips move in speech", "", 3, "Standard deviation of the opening while somebody speaks, in eye distances.",
        "faults",
        "moves",
    )
    widest_opening: float | None = metric(
        "widest opening", "", 2, "Opening that 99 in 100 frames stay below, in eye distances.", "faults", "widest"
    )
    lip_lag: int | None = metric(
        "|lag of the lips|", "lower", 0,
        "Frames of 40 ms by which the lips are late, by both judges together, within 15 either way.", "lips",
        "|lag|, frames", "frames", signed="lag of the lips",
    )
    lip_lag_gain: float | None = None
    silent_lips: float | None = metric(
        "restless lips in silence", "lower", 4,
        "Mean change of the opening per frame in silence, in eye distances.", "lips", "silent lips",
    )
    silent_lips_reference: float | None = None
    warnings: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    drawn_per_s: float | None = metric(
        "frames a second of work", "higher", 1,
        "Frames per second of the dub's work: crop, network, restoration and encoding in sequence in one process. "
        "Excludes faces and other work done once for all languages.", "work",
        "frames/s", "frames/s",
    )
    gpu_mb: int | None = metric(
        "GPU memory", "lower", 0, "Peak GPU memory of a drawing process.", "work", "GPU, MB", "MB"
    )
    # fmt: on

    @property
    def sync_c(self) -> float | None:
        """The confidence of whichever scorer was used."""
        values = (one.value(self) for one in METRICS if one.track_mean == "confidence")
        return next((value for value in values if value is not None), None)

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


METRICS = metrics_of(Score)
COLUMNS = frozenset(one.name for one in fields(Score))
SCORES = Records(Score, FILE)
