"""Limits a sound's true peaks (ITU-R BS.1770-4, annex 2): the level between samples, too.

Levels are found at four times the sample rate. Where they exceed the ceiling the gain falls within 5 ms before the
peak, and rises by 200 dB/s after it. All channels have one gain, so that nothing moves between loudspeakers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.media.sound_store import BLOCK, SoundStore

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

ATTACK_S = 0.005
RELEASE_DB_PER_S = 200.0
_GROUP = 16  # samples with one required gain
_TIMES = 4  # oversampling
_AROUND = 16  # groups on either side of one that an encoder makes too loud, which are lowered with it
_MARGIN_DB = 0.15
_REACH = 24  # samples on either side that a value between two is made of


@dataclass(frozen=True)
class Excess:
    """Where an encoder makes peaks that are too high: groups of 16 samples, rising, and how much lower each is to be.

    Attributes
    ----------
    groups : (n,) numbers
    decibels : (n,) more than 0
    """

    groups: NDArray[np.int64]
    decibels: F64

    @classmethod
    def none(cls) -> Excess:
        """Nowhere."""
        return cls(np.zeros(0, np.int64), np.zeros(0))

    def more(self, decoded: SoundStore, ceiling: float, rate: int) -> Excess:
        """This, and where a decoded sound exceeds a ceiling.

        Parameters
        ----------
        ceiling : largest true peak, 1 being full scale
        rate : sample rate in Hz of the sound that was encoded
        """
        groups, by = [self.groups], [self.decibels]
        for first in range(0, -(-decoded.length // _GROUP), BLOCK // _GROUP):
            required = -_required(decoded, first, first + BLOCK // _GROUP, 1.0, ceiling)
            if (found := np.flatnonzero(required)).size:
                at = (found + first) * rate // decoded.rate
                start = int(at[0]) - _AROUND
                near = np.zeros(int(at[-1]) + _AROUND + 1 - start)
                for shift in range(2 * _AROUND + 1):
                    np.maximum.at(near, at - start - _AROUND + shift, required[found] + _MARGIN_DB)
                inside = np.flatnonzero(near)
                inside = inside[inside + start >= 0]
                groups.append(inside + start)
                by.append(near[inside])
        where, place = np.unique(np.concatenate(groups), return_inverse=True)
        # The largest of what a round finds for a group, which may lie near two pieces, added to what was there.
        most, known = np.zeros(len(where)), len(self.groups)
        np.maximum.at(most, place[known:], np.concatenate(by)[known:])
        most[place[:known]] += self.decibels
        return Excess(where, most)

    def within(self, first: int, last: int) -> F64:
        """(last − first,) of the groups [first, last)."""
        out = np.zeros(last - first)
        low, high = np.searchsorted(self.groups, (first, last))
        out[self.groups[low:high] - first] = self.decibels[low:high]
        return out


def limited(store: SoundStore, gain: float, ceiling: float | None, excess: Excess | None = None) -> Iterator[F32]:
    """(channels, n) float32 of a sound, amplified and limited, in pieces; equal whatever the pieces.

    Parameters
    ----------
    gain : factor before the limiter
    ceiling : largest true peak, 1 being full scale; None for no limiter
    excess : where it is lowered further
    """
    if ceiling is None:
        for block in store.blocks():
            yield block * np.float32(gain)
        return
    rate = _Rate(store.rate)
    look = rate.attack
    # Groups of samples from −look − 1 on: no gain is required before the beginning.
    released = np.zeros(look + 1)
    for first in range(0, max(1, -(-store.length // _GROUP)), BLOCK // _GROUP):
        last = min(first + BLOCK // _GROUP, -(-store.length // _GROUP))
        known = first + look + 1 if first else 0  # groups whose gain was found before
        found = _required(store, known, last + look + 1, gain, ceiling)
        if excess is not None:
            found -= excess.within(known, last + look + 1)
        released = np.concatenate((released, rate.released(found, released[-1])))
        gains = rate.smoothed(released)  # of the groups [first − 1, last]
        released = released[-2 * look - 2 :]
        edges = np.minimum(gains[:-1], gains[1:])  # at the beginning of each group, and at the end of the last one
        start, stop = first * _GROUP, min(last * _GROUP, store.length)
        course = np.interp(np.arange(start, stop), np.arange(first, last + 1) * _GROUP, edges)
        yield store.read(start, stop) * (gain * 10 ** (course / 20)).astype(np.float32)


class _Rate:
    """The times of the limiter in groups of samples."""

    def __init__(self, rate: int) -> None:
        self.attack = max(1, -(-int(ATTACK_S * rate) // _GROUP))
        self._slope = RELEASE_DB_PER_S * _GROUP / rate  # dB a group

    def released(self, required: F64, before: float) -> F64:
        """The gains in dB that rise slowly after each fall.

        Parameters
        ----------
        before : gain of the group before the first one
        """
        steps = np.arange(len(required) + 1) * self._slope
        course = np.concatenate(([before], required)) - steps
        return np.asarray(np.minimum(0, np.minimum.accumulate(course) + steps))[1:]

    def smoothed(self, released: F64) -> F64:
        """The gains in dB that fall ahead of a peak; `attack` groups fewer at either end."""
        windows = np.lib.stride_tricks.sliding_window_view
        lowest = windows(released, self.attack + 1).min(axis=1)
        weights = np.hanning(self.attack + 3)[1:-1]
        return np.asarray(windows(lowest, self.attack + 1) @ (weights / weights.sum()))


def _required(store: SoundStore, first: int, last: int, gain: float, ceiling: float) -> F64:
    """Largest gain in dB, at most 0, that each of the groups [first, last) may have after the factor `gain`."""
    count = last - first
    start = first * _GROUP
    samples = store.read(start - _REACH, start + count * _GROUP + _REACH)
    kernel, most = _kernel()
    loudest = float(np.abs(samples).max(initial=0)) * gain
    if loudest * most <= ceiling:  # no value between samples can reach it
        return np.zeros(count)
    peaks = np.zeros(count * _GROUP, np.float32)
    for channel in samples:
        plain = np.abs(channel[_REACH:-_REACH])
        peaks = np.maximum(peaks, plain)
        for phase in kernel:
            between = np.convolve(channel, phase, "valid")[1:]  # from sample 0 of the first group on
            peaks = np.maximum(peaks, np.abs(between))
    levels = peaks.reshape(count, _GROUP).max(axis=1).astype(np.float64) * gain
    return np.asarray(np.minimum(0, 20 * np.log10(ceiling / np.maximum(levels, ceiling))))


@cache
def _kernel() -> tuple[F32, float]:
    """(3, 2 · reach) weights of the values a quarter, a half and three quarters of a sample later, and the largest sum of
    their sizes, which bounds what lies between samples."""
    taps = np.arange(-_REACH, _REACH) + 1.0
    rows = []
    for quarter in range(1, _TIMES):
        at = taps - quarter / _TIMES
        window = np.i0(8.0 * np.sqrt(np.maximum(0, 1 - (at / (_REACH + 1)) ** 2))) / np.i0(8.0)
        row = np.sinc(at) * window
        rows.append(row / row.sum())
    kernel = np.array(rows)
    return np.asarray(kernel[:, ::-1], np.float32), max(1.0, float(np.abs(kernel).sum(axis=1).max()))
