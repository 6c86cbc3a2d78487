"""Lowers a background while a voice is heard: how much at each moment, from the voice's level.

The level is the RMS of 10 ms. A voice is heard where that is within 22 dB of its loudness by EBU R 128, so that turning
a recording up or down changes nothing. The background is fully lowered when a word begins: it starts to fall a tenth of
a second before (attack), stays down for 0.3 s after the last word (hold), and is back half a second later (release).
All ramps are straight in decibels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
Flags = NDArray[np.bool_]

PER_S = 100  # levels a second
BELOW_LOUDNESS_DB = 22.0
ATTACK_S, HOLD_S, RELEASE_S = 0.1, 0.3, 0.5


class VoiceLevels:
    """Level of a voice in each 10 ms; one number each, whatever the length.

    Parameters
    ----------
    rate : Hz
    length : samples
    """

    def __init__(self, rate: int, length: int) -> None:
        self._rate, self._at = rate, 0
        self._power = np.zeros(length * PER_S // rate + 1)

    def add(self, block: F32) -> None:
        """(channels, n) float32 more of it; the loudest channel counts."""
        steps = (np.arange(self._at, self._at + block.shape[1], dtype=np.int64) * PER_S) // self._rate
        self._at += block.shape[1]
        if len(steps):
            first = int(steps[0])
            powers = np.square(block, dtype=np.float64).max(axis=0, initial=0)
            found = np.bincount(steps - first, powers)[: len(self._power) - first]
            self._power[first : first + len(found)] += found

    def heard(self, loudness: float | None) -> Flags:
        """In which of the 10 ms the voice is heard.

        Parameters
        ----------
        loudness : of the whole, in LUFS; None of silence
        """
        if loudness is None:
            return np.zeros(len(self._power), np.bool_)
        return np.asarray(self._power * PER_S / self._rate > 10 ** ((loudness - BELOW_LOUDNESS_DB) / 10))


class Ducking:
    """The factor of a background, sample by sample.

    Parameters
    ----------
    heard : in which of the 10 ms a voice is heard
    decibels : by which the background is lowered there
    rate : Hz
    """

    def __init__(self, heard: Flags, decibels: float, rate: int) -> None:
        self._rate = rate
        self._decibels = -decibels * depth(heard)

    def factor(self, start: int, stop: int) -> F32:
        """(stop − start,) float32 of the samples [start, stop)."""
        if not self._decibels.any():
            return np.ones(stop - start, np.float32)
        at = np.arange(start, stop) * (PER_S / self._rate)
        # A step's value stands at its beginning: the ramp ends where the first word's step begins.
        found = np.interp(at, np.arange(len(self._decibels)), self._decibels)
        return np.asarray(10 ** (found / 20), np.float32)


def depth(heard: Flags) -> NDArray[np.float64]:
    """(n,) how far the background is lowered at the beginning of each 10 ms: 1 while a voice is heard, 0 away from it."""
    count = len(heard)
    steps = np.arange(count)
    far = 10.0 * count + PER_S * 10
    last = np.maximum.accumulate(np.where(heard, steps + 1.0, -far))  # end of the latest word
    coming = np.minimum.accumulate(np.where(heard, steps * 1.0, far)[::-1])[::-1]  # beginning of the next
    after = 1 - np.maximum(0, steps - last - HOLD_S * PER_S) / (RELEASE_S * PER_S)
    before = 1 - (coming - steps) / (ATTACK_S * PER_S)
    return np.asarray(np.maximum(after, before).clip(0, 1))
