"""Loudness by EBU R 128 (ITU-R BS.1770-4), measured with FFmpeg's ebur128, and gain to a target level."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.media.sound_graph import SoundGraph

F32 = NDArray[np.float32]

FLOOR_LUFS = -70.0  # EBU R 128's absolute gate: quieter blocks are ignored
BLOCK_S = Fraction(2, 5)  # of one momentary loudness; there is one every tenth of a second
MOST_GAIN_DB = 75.0  # limit of the gain
_BELOW_LOUDEST = 50.0  # LU below the loudest block: gate for a sound of unknown level; speech peaks near −20 LUFS
_RELATIVE_GATE = 10.0  # LU
_HOP_S = Fraction(1, 10)


class LoudnessMeter:
    """Loudness of a sound that arrives in pieces.

    Keeps one number for every tenth of a second, whatever the length.

    Parameters
    ----------
    peaks : measure the true peak, too
    """

    def __init__(self, peaks: bool = False) -> None:
        self._true_peak = 0.0
        self._filter = "metadata=1:peak=true" if peaks else "metadata=1"
        self._momentary: list[float] = []
        self._graph: SoundGraph | None = None
        self._rate = self._samples = 0
        self._first: list[F32] = []  # of a sound that is shorter than one block

    def add(self, rate: int, block: F32) -> None:
        """Add (channels, n) float32, one, two, six or eight channels; full scale is 1, and may be exceeded."""
        if not block.shape[1]:
            return
        if self._samples < BLOCK_S * rate:
            self._first.append(block)
        self._push(rate, block)

    def loudness(self, absolute: float | None = FLOOR_LUFS) -> float | None:
        """LUFS of the sound so far; None if every block is below the gate.

        A sound shorter than 0.4 s is measured as if it were repeated.

        Parameters
        ----------
        absolute : the gate in LUFS; None sets it 50 LU below the loudest block, so that a gain of x dB changes the
            result by x LU, however quiet the sound
        """
        if not self._samples:
            return None
        if self._samples < BLOCK_S * self._rate:
            short = np.concatenate(self._first, axis=1)
            self._push(self._rate, np.tile(short, math.ceil(BLOCK_S * self._rate / short.shape[1])))
        whole = np.array(self._momentary[int(BLOCK_S / _HOP_S) - 1 :])
        loudest = float(whole.max(initial=-math.inf))
        if loudest <= _SILENT_LUFS:
            return None
        return _gated(whole, loudest - _BELOW_LOUDEST if absolute is None else absolute)

    def true_peak(self) -> float:
        """Largest level at samples and between them, at 192 kHz; 1 is full scale. Ends the measurement."""
        if self._graph is not None:
            for measured in self._graph.push(None):  # the last tenth of a second
                self._hear_peak(measured)
        return self._true_peak

    def _push(self, rate: int, block: F32) -> None:
        self._graph, self._rate = self._graph or SoundGraph(rate, len(block), [("ebur128", self._filter)]), rate
        self._samples += block.shape[1]
        for measured in self._graph.push(block):
            self._momentary.append(float(measured.metadata["lavfi.r128.M"]))
            self._hear_peak(measured)

    def _hear_peak(self, measured: Any) -> None:
        self._true_peak = max(self._true_peak, float(measured.metadata.get("lavfi.r128.true_peak", 0)))


_SILENT_LUFS = -119.0  # FFmpeg's number for digital silence is −120.7


def decibels(amplitude: float) -> float:
    """dB of an amplitude; −200 at least."""
    return 20 * math.log10(max(amplitude, 1e-10))


def factor(decibels: float) -> float:
    """Amplitude of so many dB."""
    return float(10 ** (decibels / 20))


def gain_db(loudness: float | None, wanted: float) -> float:
    """Decibels that bring a sound to a level, at most :data:`MOST_GAIN_DB`; 0 for silence."""
    return 0.0 if loudness is None else min(wanted - loudness, MOST_GAIN_DB)


def amplified(blocks: Iterable[F32], decibels: float) -> Iterator[F32]:
    """Apply a gain; samples beyond full scale are not clipped."""
    by = np.float32(factor(decibels))
    return (block * by for block in blocks)


def _gated(momentary: NDArray[np.float64], gate: float) -> float | None:
    """Mean loudness of the blocks above the absolute and the relative gate."""
    kept = momentary[momentary > gate]
    if not len(kept):
        return None
    return _mean(kept[kept > _mean(kept) - _RELATIVE_GATE])


def _mean(loudness: NDArray[np.float64]) -> float:
    """Mean of powers, as in the standard; its constant −0.691 cancels out."""
    return float(10 * np.log10(np.mean(10 ** (loudness / 10))))
