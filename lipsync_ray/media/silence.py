"""Detects silence, with a lower threshold for quiet recordings."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.media.audio import SAMPLE_RATE, SoundTrack, Span, speech_blocks
from lipsync_ray.media.sound_probe import Sound

SILENCE_DBFS = -45.0  # threshold of the RMS over 10 ms
USUAL_LUFS = -23.0  # loudness from which the full threshold applies
_WINDOW = SAMPLE_RATE // 100  # samples: 10 ms
_MARGIN_S = Fraction(1, 10)  # seconds kept on either side, so that soft consonants are not cut


def silence_threshold(loudness_lufs: float | None) -> float:
    """Silence threshold in dBFS, RMS over 10 ms, for a sound of this loudness; −45 if it is None."""
    return SILENCE_DBFS if loudness_lufs is None else SILENCE_DBFS + min(0.0, loudness_lufs - USUAL_LUFS)


def trim_silence(track: SoundTrack | str, sound: Sound) -> Span:
    """Find the range without leading and trailing silence; a tenth of a second is kept on either side.

    A stream that is silent throughout is returned whole.
    """
    loud: list[NDArray[np.bool_]] = []
    rest = np.zeros(0, np.float32)
    threshold = 10 ** (silence_threshold(sound.loudness_lufs) / 10)
    for block in speech_blocks(track, cancels=sound.cancels):
        rest = np.concatenate((rest, block))
        count = len(rest) // _WINDOW
        squares = rest[: count * _WINDOW].reshape(count, _WINDOW) ** 2
        loud.append(squares.mean(axis=1) > threshold)
        rest = rest[count * _WINDOW :]
    found = np.flatnonzero(np.concatenate(loud)) if loud else np.zeros(0, int)
    if not len(found):
        return Span(0, sound.samples)
    step = Fraction(_WINDOW, SAMPLE_RATE)
    start = max(Fraction(0), int(found[0]) * step - _MARGIN_S)
    stop = min(sound.duration_s, (int(found[-1]) + 1) * step + _MARGIN_S)
    return Span(int(start * sound.sample_rate), int(stop * sound.sample_rate))
