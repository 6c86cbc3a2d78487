"""Checks of a scored video: faults that a viewer would see or hear, each by a threshold on its metrics.

Thresholds lie beyond what flawless dubs measure (``benchmarks/faults_injected.py --sound-only``; docs/metrics.md has the results).
A fault is not a warning: a warning says that two numbers contradict each other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lipsync_ray.io.formatting import number
from lipsync_ray.jobs.evaluate.judged import AGREES, FOLLOWS, LEAKS
from lipsync_ray.jobs.evaluate.scores import Score

FRAME_MS = 40
LATE, LATE_GAIN = 2, 0.15  # frames; correlation and two cosines
STIFF, STIFFER = 0.02, 0.5  # eye distances; of the source's motion: lips of a small face measure less
WIDE = 0.45  # eye distances
STRANGER = 0.5  # distance of descriptors
EDGE, JUMPS, TINT = 6.0, 3.0, 2.0  # levels
FOREIGN = 12.0  # levels


@dataclass(frozen=True)
class Check:
    """A check of a video.

    Attributes
    ----------
    name : one word, with which its message begins
    found : what is wrong with a scored video; "" if nothing is, or if a metric that it needs is unknown
    """

    name: str
    found: Callable[[Score], str]


def _late(score: Score) -> str:
    lag, gain = score.lip_lag or 0, score.lip_lag_gain or 0.0
    if abs(lag) < LATE or gain < LATE_GAIN:
        return ""
    return f"the lips are {abs(lag)} frames ({abs(lag) * FRAME_MS} ms) {'late' if lag > 0 else 'early'}"


def _unrelated(score: Score) -> str:
    corr, cosine = score.openness_corr, score.sync_cosine
    if corr is None or cosine is None:
        return ""
    other, another = score.openness_corr_other or 0.0, score.sync_cosine_other or 0.0
    if corr >= max(0.0, other) + FOLLOWS or cosine >= max(0.0, another) + AGREES:
        return ""
    return (
        f"the lips follow their own sound no more than another one (opening {number(corr, 2)} and {number(other, 2)}, "
        f"agreement {number(cosine, 2)} and {number(another, 2)})"
    )


def _still(score: Score) -> str:
    if score.spoken_motion is None or score.spoken_motion >= STIFF or (score.lip_motion or 0.0) >= STIFFER:
        return ""
    return f"the lips hardly move while somebody speaks (by {number(score.spoken_motion, 3)} eye distances)"


def _leak(score: Score) -> str:
    """In a few seconds lips resemble the source's by chance; only if they follow the sound less is it a fault."""
    corr = score.openness_corr
    if score.leak is None or corr is None or score.leak <= max(LEAKS, corr + FOLLOWS):
        return ""
    return f"the lips repeat the source's (r {number(score.leak, 2)}) more than they follow their sound (r {number(corr, 2)})"


def _above(name: str, column: str, most: float, text: str, digits: int = 1) -> Check:
    """A check that a metric is at most so much; its number goes into the text."""

    def found(score: Score) -> str:
        value = getattr(score, column)
        return text.format(number(value, digits)) if value is not None and value > most else ""

    return Check(name, found)


CHECKS = (
    _above("picture", "frame_change", FOREIGN, "a frame shows something else than the source's (by {} levels)"),
    Check("sync", _late),
    Check("unrelated", _unrelated),
    Check("still", _still),
    Check("leak", _leak),
    _above("torn", "widest_opening", WIDE, "the mouth opens wider than mouths do (by {} eye distances)", 2),
    _above("identity", "face_distance", STRANGER, "the face is another one than the source's (distance {})", 2),
    _above("seam", "seam", EDGE, "a straight edge beside the mouth that the source does not have ({} levels)"),
    _above("flicker", "flicker", JUMPS, "the lower face flickers (by {} levels from frame to frame)"),
    _above("colour", "colour_cast", TINT, "the lower face has another colour than the source's (by {} levels)"),
)


def faults_of(score: Score) -> list[str]:
    """What the checks find in a scored video: "name: what is wrong"."""
    if score.status != "scored":
        return []
    return [f"{check.name}: {text}" for check in CHECKS if (text := check.found(score))]
