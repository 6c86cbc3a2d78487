"""SyncNet's audio front end, in numpy: the MFCC of python_speech_features 0.6 with its defaults.

Windows of 25 ms every 10 ms without a taper, pre-emphasis 0.97, |FFT|² of 512 points over 512, 26 triangles from 0 to
8000 Hz on HTK's mel scale, natural logarithm, orthonormal DCT-II, 13 coefficients, lifter 22, and the logarithm of the
window's energy in place of coefficient 0. Samples are 16-bit numbers, not scaled to ±1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.media.audio import SAMPLE_RATE

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Samples = NDArray[np.int16] | F32

WINDOW = 400  # samples: 25 ms
HOP = 160  # samples: 10 ms
COLUMNS_PER_S = SAMPLE_RATE // HOP  # 100
COEFFICIENTS = 13
N_FFT = 512
FILTERS = 26
LIFTER = 22
PRE_EMPHASIS = 0.97
_EPS = np.finfo(np.float64).eps
_BLOCK_COLUMNS = 4096


def columns_of(samples: int) -> int:
    """MFCC columns of ``samples`` samples: the last window is filled up with zeros."""
    return 1 if samples <= WINDOW else 1 + -(-(samples - WINDOW) // HOP)


def mfcc(samples: Samples) -> F64:
    """MFCC of a whole clip.

    Parameters
    ----------
    samples : (n,) 16 kHz mono, in units of 16-bit samples (−32768 … 32767)

    Returns
    -------
    (13, columns) float64; row 0 is the logarithm of the window's energy
    """
    return np.concatenate(list(mfcc_blocks([samples])), axis=0).T


def mfcc_blocks(blocks: Iterable[Samples]) -> Iterator[F64]:
    """MFCC of a clip that arrives in pieces, in bounded memory; the same columns whatever the pieces.

    Yields
    ------
    (columns, 13) float64, time along the first axis, as it is stored
    """
    pending = np.zeros(0)
    before: float | None = None
    begun = False
    for block in blocks:
        if not len(block):
            continue
        raw = np.asarray(block, np.float64)
        earlier = np.concatenate(([0.0 if before is None else before], raw[:-1]))
        pending = np.concatenate((pending, raw - PRE_EMPHASIS * earlier))
        before = float(raw[-1])
        ready = (len(pending) - WINDOW - 1) // HOP  # keep the last window: the end may need padding
        if ready >= _BLOCK_COLUMNS:
            yield from _columns(pending, ready)
            begun = True
            pending = pending[ready * HOP :]
    if len(pending) or not begun:
        count = columns_of(len(pending))
        filled = np.zeros((count - 1) * HOP + WINDOW)
        filled[: len(pending)] = pending
        yield from _columns(filled, count)


def _columns(signal: F64, count: int) -> Iterator[F64]:
    frames = np.lib.stride_tricks.sliding_window_view(signal, WINDOW)[::HOP]
    lift = 1 + LIFTER / 2 * np.sin(np.pi * np.arange(COEFFICIENTS) / LIFTER)
    for start in range(0, count, _BLOCK_COLUMNS):
        power = np.abs(np.fft.rfft(frames[start : min(start + _BLOCK_COLUMNS, count)], N_FFT, axis=1)) ** 2 / N_FFT
        bands = power @ _triangles().T
        logs = np.log(np.where(bands == 0, _EPS, bands))
        out = (logs @ _dct().T) * lift
        energy = power.sum(axis=1)
        out[:, 0] = np.log(np.where(energy == 0, _EPS, energy))
        yield out


@cache
def _triangles() -> F64:
    """(26, 257) filters whose edges are rounded down to whole FFT bins."""
    top = 2595 * np.log10(1 + SAMPLE_RATE / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, FILTERS + 2) / 2595) - 1)
    bins = np.floor((N_FFT + 1) * edges / SAMPLE_RATE)[:, None]
    at = np.arange(N_FFT // 2 + 1)[None]
    low, mid, high = bins[:-2], bins[1:-1], bins[2:]
    rising = np.where((at >= low) & (at < mid), (at - low) / np.maximum(mid - low, 1), 0)
    falling = np.where((at >= mid) & (at < high), (high - at) / np.maximum(high - mid, 1), 0)
    return np.asarray(rising + falling, np.float64)


@cache
def _dct() -> F64:
    """(13, 26): the first rows of the orthonormal DCT-II."""
    k, n = np.arange(COEFFICIENTS)[:, None], np.arange(FILTERS)[None]
    out = np.sqrt(2 / FILTERS) * np.cos(np.pi * k * (2 * n + 1) / (2 * FILTERS))
    out[0] /= np.sqrt(2)
    return np.asarray(out, np.float64)
