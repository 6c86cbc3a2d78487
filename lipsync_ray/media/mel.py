"""Wav2Lip's mel front end, in numpy (``audio.py`` and ``hparams.py`` of github.com/Rudrabha/Wav2Lip).

Pre-emphasis 0.97, STFT of 800 samples every 200 (periodic Hann, centred, reflected ends), 80 Slaney bands from 55 to
7600 Hz, decibels, clipped to ±4. One column lasts 12.5 ms; digital silence is exactly −4 in every band.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.media.audio import SAMPLE_RATE

F32 = NDArray[np.float32]

N_FFT = 800  # samples: 50 ms
HOP = 200  # samples: 12.5 ms
COLUMNS_PER_S = SAMPLE_RATE // HOP  # 80
BANDS = 80
F_MIN, F_MAX = 55.0, 7600.0  # Hz
PRE_EMPHASIS = 0.97
MIN_LEVEL_DB, REF_LEVEL_DB = -100.0, 20.0
SILENCE = -4.0
_BLOCK_COLUMNS = 4096  # STFT columns computed at a time: 13 MB of spectrum


def columns_of(samples: int) -> int:
    """Mel columns of ``samples`` samples at 16 kHz."""
    return 1 + samples // HOP


def mel_spectrogram(samples: F32) -> F32:
    """Mel of a whole clip.

    Parameters
    ----------
    samples : (n,) float32 in [−1, 1], 16 kHz mono; n > 400

    Returns
    -------
    (80, 1 + n // 200) float32 in [−4, 4]
    """
    return np.concatenate(list(mel_blocks([samples])), axis=0).T


def mel_blocks(blocks: Iterable[F32]) -> Iterator[F32]:
    """Mel of a clip that arrives in pieces, in bounded memory.

    The same columns as :func:`mel_spectrogram` of the pieces joined, whatever the pieces.

    Parameters
    ----------
    blocks : (n_i,) float32, 16 kHz mono

    Yields
    ------
    (columns, 80) float32: time along the first axis, as it is stored
    """
    half = N_FFT // 2
    pending = np.zeros(0, np.float32)  # pre-emphasised and padded, not yet consumed
    started = False
    last = np.zeros(1, np.float32)
    head: list[F32] = []
    for block in blocks:
        if not len(block):
            continue
        block = np.asarray(block, np.float32)
        emphasised = block - PRE_EMPHASIS * np.concatenate((last, block[:-1])).astype(np.float32)
        last = block[-1:]
        if not started:
            head.append(emphasised)
            if sum(map(len, head)) <= half:
                continue
            emphasised = np.concatenate(head)
            pending = emphasised[1 : half + 1][::-1]
            started = True
        pending = np.concatenate((pending, emphasised))
        # Keep the last half window: the end of the clip is reflected in it.
        ready = (len(pending) - half - 1 - N_FFT) // HOP + 1
        if ready >= _BLOCK_COLUMNS:
            yield from _columns(pending, ready)
            pending = pending[ready * HOP :].copy()
    if not started:
        joined = np.concatenate(head) if head else np.zeros(0, np.float32)
        padded = np.zeros(half + 1, np.float32)  # shorter than half a window: reflected within silence
        padded[: len(joined)] = joined
        count = columns_of(len(joined))
        pending = np.concatenate((padded[1 : half + 1][::-1], padded))
        pending = np.concatenate((pending, np.zeros(N_FFT, np.float32)))
        yield from _columns(pending, count)
        return
    pending = np.concatenate((pending, pending[-half - 1 : -1][::-1]))
    yield from _columns(pending, (len(pending) - N_FFT) // HOP + 1)


def _columns(signal: F32, count: int) -> Iterator[F32]:
    window = np.hanning(N_FFT + 1)[:-1].astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(signal, N_FFT)[::HOP]
    for start in range(0, count, _BLOCK_COLUMNS):
        spectrum = np.abs(np.fft.rfft(frames[start : min(start + _BLOCK_COLUMNS, count)] * window, axis=1))
        decibels = 20 * np.log10(np.maximum(1e-5, spectrum @ _filters().T)) - REF_LEVEL_DB
        yield np.clip(8 * (decibels - MIN_LEVEL_DB) / -MIN_LEVEL_DB - 4, -4, 4).astype(np.float32)


@cache
def _filters() -> NDArray[np.float64]:
    """(80, 401): triangles on Slaney's scale (linear below 1 kHz, logarithmic above), each of area one."""

    def to_mel(hz: float) -> float:
        return hz * 3 / 200 if hz < 1000 else 15 + np.log(hz / 1000) / (np.log(6.4) / 27)

    mels = np.linspace(to_mel(F_MIN), to_mel(F_MAX), BANDS + 2)
    edges = np.where(mels < 15, mels * 200 / 3, 1000 * np.exp((mels - 15) * np.log(6.4) / 27))
    bins = np.fft.rfftfreq(N_FFT, 1 / SAMPLE_RATE)
    slopes = edges[:, None] - bins[None, :]
    rising = -slopes[:-2] / np.diff(edges)[:-1, None]
    falling = slopes[2:] / np.diff(edges)[1:, None]
    triangles = np.maximum(0, np.minimum(rising, falling))
    return np.asarray(triangles * (2 / (edges[2:] - edges[:-2]))[:, None])


def windows(
    mel: F32,
    starts: NDArray[np.int64],
    first: int,
    total: int,
    step: int = 16,
    silent_end: bool = False,
    silence: float = SILENCE,
) -> F32:
    """Windows of frames, cut from a range of a clip's mel or other features.

    Columns before the clip are silence. A window that would run past the clip's end is moved back to the last
    ``step`` columns, as in the original (which then stops; here every frame gets one).

    Parameters
    ----------
    mel : (c, k) float32, columns ``first`` … of the clip
    starts : (n,) first column of each window, in the clip's numbering
    first : number of the first column of ``mel``
    total : columns of the whole clip
    step : columns of a window
    silent_end : do not move a window that runs past the clip's end, but fill it with silence
    silence : value of every band in silence

    Returns
    -------
    (n, k, step) float32
    """
    ends = np.asarray(starts) + step
    if not silent_end:
        ends = np.minimum(ends, max(total, step))
    picked = ends[:, None] - step + np.arange(step)[None, :]
    inside = (picked >= 0) & (picked < total)
    inner = (
        mel[np.clip(picked - first, 0, max(len(mel) - 1, 0))]
        if len(mel)
        else np.zeros((*picked.shape, mel.shape[1]), np.float32)
    )
    out = np.where(inside[..., None], inner, np.float32(silence))
    return np.ascontiguousarray(out.transpose(0, 2, 1), dtype=np.float32)
