"""The numbers that a video has, as tables and reports call them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lipsync_ray.jobs.evaluate.scores import Score


@dataclass(frozen=True)
class Metric:
    """A number that a video has.

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
    control_of : name of the metric beside which it is drawn; empty for one that is drawn by itself
    mark : of a control, as matplotlib knows it
    lips : it is of what the lips do, and of the judges; a report has them in a table of their own
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
        "How far apart SyncNet finds the lips and the sound at the shift where they agree best.", lambda s: s.lse_d,
    ),
    Metric(
        "lse_c", "LSE-C", "LSE-C", "", "higher", 3,
        "How clearly that best shift stands out from the others. Near 0: lips and sound have nothing to do with each other.",
        lambda s: s.lse_c,
    ),
    Metric(
        "mini_sync_d", "mini-sync distance", "mini-sync distance", "", "lower", 3,
        "The bundled scorer's distance between lips and sound at the best shift, 0 to 2. Not LSE-D, and not comparable with it.",
        lambda s: s.mini_sync_d,
    ),
    Metric(
        "mini_sync_c", "mini-sync confidence", "mini-sync confidence", "", "higher", 3,
        "How clearly the bundled scorer's best shift stands out. Not LSE-C, and not comparable with it.",
        lambda s: s.mini_sync_c,
    ),
    Metric(
        "offset", "|AV offset|", "|offset|, frames", "frames", "lower", 1,
        "By how many frames of 40 ms sound and picture are apart. Up to 1 goes unnoticed.",
        lambda s: None if s.offset is None else float(abs(s.offset)),
    ),
    Metric(
        "psnr_db", "PSNR outside the mouth", "PSNR, dB", "dB", "higher", 1,
        "How much the rest of the picture kept of the source. Above 40 dB nobody sees a difference.", lambda s: s.psnr_db,
    ),
    Metric(
        "ssim", "SSIM outside the mouth", "SSIM", "", "higher", 4,
        "The same as structure: 1 is identical.", lambda s: s.ssim,
    ),
    Metric(
        "sharpness_ratio", "mouth sharpness ÷ source", "sharpness ÷ source", "", "near 1", 2,
        "How sharp the drawn mouth is beside the source's. Below 1 it is softer.", lambda s: s.sharpness_ratio,
    ),
    Metric(
        "jitter_ratio", "landmark jitter ÷ source", "jitter ÷ source", "", "near 1", 2,
        "How much the face shakes from frame to frame beside the source. Above 1 it flickers.", lambda s: s.jitter_ratio,
    ),
    Metric(
        "openness_corr", "judge: opening follows the sound", "opening", "", "higher", 2,
        "Correlation of the lips' opening with what a network never used to train a generator hears in the "
        "sound, where somebody speaks.", lambda s: s.openness_corr,
        lips=True,
    ),
    Metric(
        "openness_corr_other", "judge: with another sound", "other sound", "", "near 0", 2,
        "The same lips with another video's sound: what the number above says of lips that hear nothing.",
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
        "The source's lips with its own sound, at the lag that suits best: what people reach.", lambda s: s.openness_corr_real,
        control_of="openness_corr", mark="D",
        lips=True,
    ),
    Metric(
        "sync_cosine", "judge: lips and sound agree", "agree", "", "higher", 2,
        "Mean cosine of what a second sync expert, which took part in no training, sees of the lips and hears of the sound.",
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
        "The source's lips with its own sound, at the lag that suits best.", lambda s: s.sync_cosine_real,
        control_of="sync_cosine", mark="D",
        lips=True,
    ),
    Metric(
        "leak", "leak of the source's mouth", "leak", "", "near 0", 2,
        "Correlation of the lips' opening with that of the frame it was drawn over. Near 1: it still says what the source says.",
        lambda s: s.leak,
        lips=True,
    ),
    Metric(
        "lip_motion", "lip motion ÷ source", "lip motion", "", "near 1", 2,
        "How far the lips move beside the source's.", lambda s: s.lip_motion,
        lips=True,
    ),
    Metric(
        "silent_lips", "restless lips in silence", "silent lips", "", "lower", 4,
        "Mean change of the opening a frame where nobody speaks, in parts of the eyes' distance.", lambda s: s.silent_lips,
        lips=True,
    ),
    Metric(
        "drawn_per_s", "frames a second of work", "frames/s", "frames/s", "higher", 1,
        "How many frames a second of the dub's work made: crop, network, restoration and encoding one after the other in one "
        "process. Faces, and what else is made once for all languages, are not in it.",
        lambda s: s.drawn_per_s,
    ),
    Metric(
        "gpu_mb", "GPU memory", "GPU, MB", "MB", "lower", 0,
        "Most memory that a process which drew had of its GPU.", lambda s: None if s.gpu_mb is None else float(s.gpu_mb),
    ),
)  # fmt: skip
