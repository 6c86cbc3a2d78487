"""Metrics of a video, and their names in tables and reports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lipsync_ray.jobs.evaluate.scores import Score


@dataclass(frozen=True)
class Metric:
    """A metric of a video.

    Attributes
    ----------
    name : of its column
    title : in a report
    short : above a column of it
    unit : of it; empty for a plain number
    better : which way
    digits : to show
    meaning : one sentence
    value : reads it from a score
    control_of : name of the metric that it is plotted with; empty for one plotted by itself
    mark : matplotlib marker of a control
    lips : whether it is a lip metric of the judges, which a report lists in a separate table
    """

    name: str
    title: str
    short: str
    unit: str
    better: str
    digits: int
    meaning: str
    value: Callable[[Score], float | None]
    control_of: str = ""
    mark: str = ""
    lips: bool = False


METRICS = (
    Metric(
        "lse_d", "LSE-D", "LSE-D", "", "lower", 3,
        "SyncNet's distance between lips and sound at the best shift.", lambda s: s.lse_d,
    ),
    Metric(
        "lse_c", "LSE-C", "LSE-C", "", "higher", 3,
        "How clearly the best shift stands out from the others. Near 0: lips and sound are unrelated.",
        lambda s: s.lse_c,
    ),
    Metric(
        "mini_sync_d", "mini-sync distance", "mini-sync distance", "", "lower", 3,
        "The bundled scorer's distance between lips and sound at the best shift, 0 to 2. Not LSE-D, and not "
        "comparable with it.",
        lambda s: s.mini_sync_d,
    ),
    Metric(
        "mini_sync_c", "mini-sync confidence", "mini-sync confidence", "", "higher", 3,
        "How clearly the bundled scorer's best shift stands out. Not LSE-C, and not comparable with it.",
        lambda s: s.mini_sync_c,
    ),
    Metric(
        "offset", "|AV offset|", "|offset|, frames", "frames", "lower", 1,
        "Offset between sound and picture in frames of 40 ms. Up to 1 is imperceptible.",
        lambda s: None if s.offset is None else float(abs(s.offset)),
    ),
    Metric(
        "psnr_db", "PSNR outside the mouth", "PSNR, dB", "dB", "higher", 1,
        "Similarity to the source outside the mouth. Differences above 40 dB are invisible.", lambda s: s.psnr_db,
    ),
    Metric(
        "ssim", "SSIM outside the mouth", "SSIM", "", "higher", 4,
        "Structural similarity outside the mouth: 1 is identical.", lambda s: s.ssim,
    ),
    Metric(
        "sharpness_ratio", "mouth sharpness ÷ source", "sharpness ÷ source", "", "near 1", 2,
        "Sharpness of the drawn mouth relative to the source's. Below 1 it is softer.", lambda s: s.sharpness_ratio,
    ),
    Metric(
        "jitter_ratio", "landmark jitter ÷ source", "jitter ÷ source", "", "near 1", 2,
        "Frame-to-frame jitter of the face relative to the source. Above 1 it flickers.", lambda s: s.jitter_ratio,
    ),
    Metric(
        "openness_corr", "judge: opening follows the sound", "opening", "", "higher", 2,
        "Correlation of the lips' opening with the prediction of a network never used to train a generator, during "
        "speech.", lambda s: s.openness_corr,
        lips=True,
    ),
    Metric(
        "openness_corr_other", "judge: with another sound", "other sound", "", "near 0", 2,
        "The same lips with another video's sound: the level of unrelated lips and sound.",
        lambda s: s.openness_corr_other,
        control_of="openness_corr", mark="x",
        lips=True,
    ),
    Metric(
        "openness_corr_undubbed", "judge: undubbed source", "undubbed", "", "near 0", 2,
        "The source's lips with the new sound.", lambda s: s.openness_corr_undubbed,
        control_of="openness_corr", mark="s",
        lips=True,
    ),
    Metric(
        "openness_corr_real", "judge: real video, own sound", "real", "", "", 2,
        "The source's lips with its own sound, at the best lag: the level of real people.", lambda s: s.openness_corr_real,
        control_of="openness_corr", mark="D",
        lips=True,
    ),
    Metric(
        "sync_cosine", "judge: lips and sound agree", "agree", "", "higher", 2,
        "Mean cosine between lip and sound embeddings of a second sync expert, which was never used in training.",
        lambda s: s.sync_cosine,
        lips=True,
    ),
    Metric(
        "sync_cosine_other", "judge: agree with another sound", "agree, other", "", "near 0", 2,
        "The same lips with another video's sound.", lambda s: s.sync_cosine_other,
        control_of="sync_cosine", mark="x",
        lips=True,
    ),
    Metric(
        "sync_cosine_undubbed", "judge: undubbed source agrees", "agree, undubbed", "", "near 0", 2,
        "The source's lips with the new sound.", lambda s: s.sync_cosine_undubbed,
        control_of="sync_cosine", mark="s",
        lips=True,
    ),
    Metric(
        "sync_cosine_real", "judge: real video agrees", "agree, real", "", "", 2,
        "The source's lips with its own sound, at the best lag.", lambda s: s.sync_cosine_real,
        control_of="sync_cosine", mark="D",
        lips=True,
    ),
    Metric(
        "leak", "leak of the source's mouth", "leak", "", "near 0", 2,
        "Correlation of the lips' opening with the source frame's. Near 1: the lips still follow the source's speech.",
        lambda s: s.leak,
        lips=True,
    ),
    Metric(
        "lip_motion", "lip motion ÷ source", "lip motion", "", "near 1", 2,
        "Lip motion relative to the source's.", lambda s: s.lip_motion,
        lips=True,
    ),
    Metric(
        "silent_lips", "restless lips in silence", "silent lips", "", "lower", 4,
        "Mean change of the opening per frame in silence, in eye distances.", lambda s: s.silent_lips,
        lips=True,
    ),
    Metric(
        "drawn_per_s", "frames a second of work", "frames/s", "frames/s", "higher", 1,
        "Frames per second of the dub's work: crop, network, restoration and encoding in sequence in one process. "
        "Excludes faces and other work done once for all languages.",
        lambda s: s.drawn_per_s,
    ),
    Metric(
        "gpu_mb", "GPU memory", "GPU, MB", "MB", "lower", 0,
        "Peak GPU memory of a drawing process.", lambda s: None if s.gpu_mb is None else float(s.gpu_mb),
    ),
)  # fmt: skip
