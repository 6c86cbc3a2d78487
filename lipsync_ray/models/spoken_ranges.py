"""Finds the ranges of speech in a sound, joins them, and maps times back to the whole sound.

Pauses are removed because Whisper hallucinates in them (Koenecke et al. 2024, arXiv:2402.08021). The thresholds are
Silero's, pause and padding those of faster-whisper's filter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.media.audio import SAMPLE_RATE
from lipsync_ray.media.speech_mel import VOICE_CHUNK
from lipsync_ray.models.voice import voice_blocks

F32 = NDArray[np.float32]

SPEECH, SPEECH_ENDS = 0.5, 0.35  # probabilities at which speech starts, and below which it ends
LEAST_CHUNKS = 8  # of 32 ms: shorter voice activity is not speech
PAUSE_S = 2.0  # seconds: longer pauses separate ranges
PADDING_S = 0.4  # seconds kept on either side, so that soft consonants are not cut
HARDLY_S = 0.5  # seconds: a phrase with less before a cut starts after it
LEVEL = 0.1  # RMS to which speech is normalised: the detector and Whisper miss very quiet speech
_WINDOW = SAMPLE_RATE // 10  # samples per level measurement
_GATE = 0.1  # of the mean power: quieter windows are pauses and do not count


@dataclass(frozen=True)
class Spoken:
    """The joined speech ranges of a sound.

    Attributes
    ----------
    samples : (n,) float32 at a normalised level
    starts : (k,) start of each range in the whole sound, in samples
    lengths : (k,) length of each range in samples; their sum is n
    voice_s : seconds of voice activity
    """

    samples: F32
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    voice_s: float

    def span(self, start_s: float, end_s: float) -> tuple[float, float]:
        """(start, end) in seconds of the whole sound, of a phrase given in seconds of `samples`.

        Whisper starts a phrase at the end of the previous one, before the removed pause. So a phrase across a cut
        starts after it if hardly any of it lies before, and ends before it if none of it lies after. Times beyond the
        end become the end.
        """
        ends = np.cumsum(self.lengths)
        begins = ends - self.lengths
        start, end = start_s * SAMPLE_RATE, end_s * SAMPLE_RATE
        first = max(0, int(np.searchsorted(begins, start, side="right")) - 1)
        last = max(first, int(np.searchsorted(begins, end, side="left")) - 1)
        while last > first and end <= begins[last] + PADDING_S * SAMPLE_RATE:
            last -= 1
            end = ends[last]
        while last > first and start >= ends[first] - (PADDING_S + HARDLY_S) * SAMPLE_RATE:
            first += 1
            start = begins[first]
        moments = ((first, start), (last, end))
        begin, stop = (self.starts[k] + min(at - begins[k], self.lengths[k]) for k, at in moments)
        return float(begin) / SAMPLE_RATE, float(max(begin, stop)) / SAMPLE_RATE


def spoken_in(sound: F32) -> Spoken | None:
    """Find speech in a sound; None without any.

    Parameters
    ----------
    sound : (n,) float32, 16 kHz mono, of any level
    """
    levelled = sound * gain(sound)
    probability = np.concatenate(list(voice_blocks([np.clip(levelled, -1, 1)])))
    found = voiced_ranges(probability)
    if not len(found):
        return None
    voiced = sum(int(is_voiced(probability)[start:stop].sum()) for start, stop in found)
    padding = int(PADDING_S * SAMPLE_RATE)
    starts = np.maximum(found[:, 0] * VOICE_CHUNK - padding, 0)
    stops = np.minimum(found[:, 1] * VOICE_CHUNK + padding, len(sound))
    samples = np.concatenate([levelled[start:stop] for start, stop in zip(starts, stops, strict=True)])
    return Spoken(samples, starts, stops - starts, voiced * VOICE_CHUNK / SAMPLE_RATE)


def gain(sound: F32) -> float:
    """Gain that brings the louder parts of a sound to :data:`LEVEL`; 1 for digital silence."""
    if not np.any(sound):
        return 1.0
    count = max(1, len(sound) // _WINDOW)
    power = np.array([np.square(part, dtype=np.float64).mean() for part in np.array_split(sound, count)])
    return float(LEVEL / np.sqrt(power[power >= _GATE * power.mean()].mean()))


def is_voiced(probability: F32) -> NDArray[np.bool_]:
    """Which chunks are voiced, with hysteresis between the two thresholds."""
    decided = np.where(probability >= SPEECH, 1, np.where(probability < SPEECH_ENDS, 0, -1))
    last = np.maximum.accumulate(np.where(decided >= 0, np.arange(len(decided)), -1))
    return np.asarray((last >= 0) & (decided[last] == 1))


def voiced_ranges(probability: F32) -> NDArray[np.int64]:
    """(k, 2) [first, last) chunks of each range of speech; a range may contain short pauses.

    Parameters
    ----------
    probability : (n,) probability of speech in each chunk of 32 ms
    """
    voiced = is_voiced(probability)
    at = np.flatnonzero(voiced)
    if not len(at):
        return np.zeros((0, 2), np.int64)
    parts = np.split(at, np.flatnonzero(np.diff(at) > PAUSE_S * SAMPLE_RATE / VOICE_CHUNK) + 1)
    return np.array([(part[0], part[-1] + 1) for part in parts if len(part) >= LEAST_CHUNKS], np.int64).reshape(-1, 2)
