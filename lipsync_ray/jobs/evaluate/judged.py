"""Judges: independent networks that predict lips from sound, and measure how well a video's lips agree.

A scorer may have been used to train the generator that it scores; a judge never was. Each number has controls: another
sound, the undubbed source with the new sound, and the real video with its own.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.inputs import audio_features
from lipsync_ray.inputs.audio_features import AudioSource, extract_audio_features
from lipsync_ray.io import storage
from lipsync_ray.io.formatting import number
from lipsync_ray.jobs.evaluate.face_tracks import RATE
from lipsync_ray.jobs.evaluate.scores import Score
from lipsync_ray.media import speech_mel
from lipsync_ray.metrics import judges
from lipsync_ray.models.registry import REGISTRY

F32 = NDArray[np.float32]

FOLLOWS = 0.1  # smallest meaningful difference between a judge's r and its control's
AGREES = 0.05  # likewise of a sync expert's cosine
LEAKS = 0.5
FLATTERED = 0.15
_ALIKE = 0.3


JUDGES = storage.digest(
    audio_features.FORMAT,
    speech_mel.VERSION,
    *(entry.sha256 for entry in REGISTRY if entry.name in ("judge", "sync-judge", "face-mesh", "voice")),
)
"""Hash of the judges and their inputs."""


@dataclass(frozen=True)
class JudgedSound:
    """Lip movement that the judges predict for a sound.

    Attributes
    ----------
    url : npz with `opening` (n,) float32, `silent` (n,) bool and `points` (n, 128) float16, 25 a second
    beginning : of `opening`, up to ten seconds, to distinguish sounds
    """

    url: str
    beginning: tuple[float, ...]

    def differs(self, other: JudgedSound) -> bool:
        """Whether another sound is different speech, not the same cut or encoded differently."""
        alike = judges.correlation(np.array(self.beginning), np.array(other.beginning))
        return alike is not None and alike < _ALIKE


def judge_sound(source: AudioSource) -> JudgedSound:
    """Predict lips and speech of a sound; reuses an earlier result.

    Raises
    ------
    ProbeError, DecodeError : no usable audio in it
    """
    from lipsync_ray.models import sync_judge
    from lipsync_ray.models.judge import expected_openings

    speech = extract_audio_features(source)
    url = storage.join(source.folder, f"{source.key}.{JUDGES}.npz")
    if not storage.exists(url):
        columns = speech.read(0, speech.columns)
        opening, points = expected_openings(columns), sync_judge.encode_sound(columns)
        silent = speech.silence(np.arange(len(opening)), RATE) >= 1
        buffer = io.BytesIO()
        np.savez(buffer, opening=opening, silent=silent, points=points.astype(np.float16))
        storage.commit_bytes(url, buffer.getvalue())
    return JudgedSound(url, tuple(_read(url).opening[: 10 * RATE.numerator].tolist()))


class _Sound(NamedTuple):
    opening: F32
    silent: NDArray[np.bool_]
    points: F32

    @property
    def spoken(self) -> F32:
        """(n,) the opening; NaN without speech: the judge was not trained on pauses, in which lips meet."""
        return np.where(self.silent, np.float32(np.nan), self.opening)


def _read(url: str) -> _Sound:
    with np.load(io.BytesIO(storage.read_bytes(url))) as arrays:
        return _Sound(arrays["opening"], arrays["silent"], arrays["points"].astype(np.float32))


@dataclass(frozen=True)
class Lips:
    """Lip measurements of a video, per grid frame.

    Attributes
    ----------
    opening : (n,) float32 in eye distances; NaN without exactly one face
    embedded : (n, 128) float32 from :func:`lipsync_ray.models.sync_judge.encode_mouths`, likewise
    """

    opening: F32
    embedded: F32

    @classmethod
    def none(cls, count: int) -> Lips:
        """Measurements of `count` frames, all NaN."""
        from lipsync_ray.models.sync_judge import DIMENSIONS

        return cls(np.full(count, np.nan, np.float32), np.full((count, DIMENSIONS), np.nan, np.float32))


@dataclass(frozen=True)
class Sounds:
    """The sounds that a video is judged by; None if missing.

    Attributes
    ----------
    own : of the video
    other : another one of the evaluation
    reference : the reference's own
    reference_s : duration of the reference in seconds
    """

    own: JudgedSound | None = None
    other: JudgedSound | None = None
    reference: JudgedSound | None = None
    reference_s: Fraction = Fraction(0)


NO_SOUNDS = Sounds()


def judge_lips(lips: Lips, reference: Lips, sounds: Sounds) -> dict[str, Any]:
    """Judge a video.

    Parameters
    ----------
    lips, reference : of the video and of the reference, at the same frames
    sounds : of the video and its controls

    Returns
    -------
    columns of its :class:`~lipsync_ray.jobs.evaluate.scores.Score`
    """
    from lipsync_ray.models.sync_judge import follow

    found: dict[str, Any] = {}
    ours, theirs = lips.opening, reference.opening
    if not np.array_equal(ours, theirs, equal_nan=True):  # else the video is its own reference
        found = {"leak": judges.correlation(ours, theirs), "lip_motion": judges.motion(ours, theirs)}
    found["widest_opening"] = judges.widest(ours)
    drawn, undubbed = follow(lips.embedded), follow(reference.embedded)
    if sounds.own is not None:
        sound = _read(sounds.own.url)
        for name, right in (
            ("openness_corr", judges.openness_at_lags(ours, sound.spoken)),
            ("sync_cosine", judges.sync_at_lags(drawn, sound.points)),
        ):
            if right is not None:
                found |= {name: right.r, f"{name}_best": right.best, f"{name}_lag": right.lag}
        found["openness_corr_undubbed"] = judges.correlation(theirs, sound.spoken)
        found["sync_cosine_undubbed"] = judges.sync_cosine(undubbed, sound.points)
        found["silent_lips"] = judges.restlessness(ours, sound.silent)
        found["spoken_motion"] = judges.spread(ours, ~sound.silent)
        if (joint := judges.joint_lag(ours, sound.spoken, drawn, sound.points)) is not None:
            found |= {"lip_lag": joint.lag, "lip_lag_gain": joint.gain}
    if sounds.other is not None:
        other = _read(sounds.other.url)
        found["openness_corr_other"] = judges.correlation(ours, other.spoken)
        found["sync_cosine_other"] = judges.sync_cosine(drawn, other.points)
    if sounds.reference is not None:
        sound = _read(sounds.reference.url)
        own_time = slice(0, int(sounds.reference_s * RATE))  # after that a shorter reference is looped
        for name, real in (
            ("openness_corr_real", judges.openness_at_lags(theirs[own_time], sound.spoken)),
            ("sync_cosine_real", judges.sync_at_lags(undubbed[own_time], sound.points)),
        ):
            found[name] = real.best if real is not None else None
        found["silent_lips_reference"] = judges.restlessness(theirs[own_time], sound.silent)
    return found


def disagreements(score: Score) -> list[str]:
    """Warnings if a score and a judge disagree, or a number is implausibly good."""
    found, offset = [], score.offset
    corr, other = score.openness_corr, score.openness_corr_other or 0.0
    cosine, another, lag = score.sync_cosine, score.sync_cosine_other or 0.0, score.sync_cosine_lag or 0
    in_sync = offset is not None and abs(offset) <= 1
    together = cosine is not None and cosine >= max(0.0, another) + AGREES
    if corr is not None and in_sync and corr < max(0.0, other) + FOLLOWS:
        found.append(
            f"the scorer finds it in sync (offset {offset}), but its lips follow its own sound (r {number(corr, 2)}) "
            "no more "
            f"than another one (r {number(score.openness_corr_other, 2)})"
        )
    if cosine is not None and in_sync and not together:
        found.append(
            f"the scorer finds it in sync (offset {offset}); a sync expert never used in training finds that its "
            f"lips match its own sound (cosine {number(cosine, 2)}) no better than another one "
            f"({number(score.sync_cosine_other, 2)})"
        )
    if offset is not None and not in_sync and together and abs(lag) <= 1:
        found.append(
            f"the scorer finds sound and picture {abs(offset)} frames apart; a sync expert never used in training "
            f"finds them in sync (lag {lag}, cosine {number(cosine, 2)}; with another sound {number(another, 2)})"
        )
    if score.leak is not None and score.leak > LEAKS:
        found.append(f"its lips repeat the source's (r {number(score.leak, 2)}): they still follow the source's speech")
    if corr is not None and score.openness_corr_real is not None and corr > score.openness_corr_real + FLATTERED:
        found.append(
            f"its lips follow the sound more closely (r {number(corr, 2)}) than the real video's do their own "
            f"(r {number(score.openness_corr_real, 2)}): more regular than real speech"
        )
    return found
