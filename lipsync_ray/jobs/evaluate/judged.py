"""Judges beside the scores: what is heard in every sound of an evaluation, and what the lips make of it.

A scorer may have taught the generator that it scores. These never did, and each stands beside its controls: another
sound, the undubbed source with the new sound, and the real video with its own.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.inputs.audio_features import AudioSource, extract_audio_features
from lipsync_ray.io import storage
from lipsync_ray.io.wording import number
from lipsync_ray.jobs.evaluate.face_tracks import RATE
from lipsync_ray.metrics import judges

F32 = NDArray[np.float32]

FOLLOWS = 0.1  # a judge's r that is higher than its control's by less says nothing
LEAKS = 0.5
FLATTERED = 0.15
_ALIKE = 0.3


@dataclass(frozen=True)
class HeardSound:
    """What is heard in a sound.

    Attributes
    ----------
    url : npz with `opening` (n,) float32 and `silent` (n,) bool, 25 a second
    beginning : of `opening`, ten seconds at most, by which sounds are told apart
    """

    url: str
    beginning: tuple[float, ...]

    def differs(self, other: HeardSound) -> bool:
        """Whether another sound is another one: not the same speech, cut elsewhere or coded anew."""
        alike = judges.correlation(np.array(self.beginning), np.array(other.beginning))
        return alike is not None and alike < _ALIKE


def listen(source: AudioSource) -> HeardSound:
    """Hear a sound as the judge does, and where somebody speaks in it; at once where that was done before.

    Raises
    ------
    ProbeError, DecodeError : no usable audio in it
    """
    from lipsync_ray.models.judge import heard_openings

    speech = extract_audio_features(source)
    url = storage.join(source.folder, f"{source.key}.heard.npz")
    if not storage.exists(url):
        opening = heard_openings(speech.read(0, speech.columns))
        silent = speech.silence(np.arange(len(opening)), RATE) >= 1
        buffer = io.BytesIO()
        np.savez(buffer, opening=opening, silent=silent)
        storage.commit_bytes(url, buffer.getvalue())
    opening, _ = _read(url)
    return HeardSound(url, tuple(opening[: 10 * RATE.numerator].tolist()))


def _read(url: str) -> tuple[F32, NDArray[np.bool_]]:
    with np.load(io.BytesIO(storage.read_bytes(url))) as arrays:
        return arrays["opening"], arrays["silent"]


@dataclass(frozen=True)
class Sounds:
    """The sounds that a video is judged by; None where there is none.

    Attributes
    ----------
    own : of the video
    other : another one of the evaluation
    reference : the reference's own
    reference_s : how long the reference lasts
    """

    own: HeardSound | None = None
    other: HeardSound | None = None
    reference: HeardSound | None = None
    reference_s: Fraction = Fraction(0)


NO_SOUNDS = Sounds()


@dataclass(frozen=True)
class Verdict:
    """What the judges say; fields as in :class:`~lipsync_ray.jobs.evaluate.scores.Score`."""

    heard: float | None = None
    heard_best: float | None = None
    heard_lag: int | None = None
    heard_other: float | None = None
    heard_undubbed: float | None = None
    heard_real: float | None = None
    leak: float | None = None
    lip_motion: float | None = None
    silent_lips: float | None = None
    silent_lips_reference: float | None = None


def verdict(opening: F32, reference: F32, sounds: Sounds) -> Verdict:
    """Judge a video.

    Parameters
    ----------
    opening, reference : (places,) openings of the video's and of the reference's lips; NaN where there is no face
    sounds : what is heard
    """
    found: dict[str, Any] = {}
    if not np.array_equal(opening, reference, equal_nan=True):  # else the video is its own reference
        found = {"leak": judges.correlation(opening, reference), "lip_motion": judges.motion(opening, reference)}
    if sounds.own is not None:
        expected, silent = _read(sounds.own.url)
        right = judges.heard(opening, expected)
        if right is not None:
            found |= {"heard": right.r, "heard_best": right.best, "heard_lag": right.lag}
        found["heard_undubbed"] = judges.correlation(reference, expected)
        found["silent_lips"] = judges.restlessness(opening, silent)
    if sounds.other is not None:
        found["heard_other"] = judges.correlation(opening, _read(sounds.other.url)[0])
    if sounds.reference is not None:
        expected, silent = _read(sounds.reference.url)
        own_time = reference[: int(sounds.reference_s * RATE)]  # after that a shorter reference is looped
        real = judges.heard(own_time, expected)
        found["heard_real"] = real.best if real is not None else None
        found["silent_lips_reference"] = judges.restlessness(own_time, silent)
    return Verdict(**found)


def disagreements(verdict: Verdict, offset: int | None) -> list[str]:
    """Where a score and a judge disagree, or a number is too good to be true."""
    said = []
    heard, other = verdict.heard, verdict.heard_other or 0.0
    if heard is not None and offset is not None and abs(offset) <= 1 and heard < max(0.0, other) + FOLLOWS:
        said.append(
            f"the scorer finds it in sync (offset {offset}), but its lips follow its own sound (r {number(heard, 2)}) no more "
            f"than another one (r {number(verdict.heard_other, 2)})"
        )
    if verdict.leak is not None and verdict.leak > LEAKS:
        said.append(f"its lips repeat the source's (r {number(verdict.leak, 2)}): it still says what the source says")
    if heard is not None and verdict.heard_real is not None and heard > verdict.heard_real + FLATTERED:
        said.append(
            f"its lips follow the sound more closely (r {number(heard, 2)}) than the real video's do their own "
            f"(r {number(verdict.heard_real, 2)}): more regular than people are"
        )
    return said
