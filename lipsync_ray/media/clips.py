"""Short pieces of a file's sound, as WAV."""

from __future__ import annotations

import io
import wave
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.media.audio import SoundTrack, blocks

F32 = NDArray[np.float32]


def cut_spans(track: SoundTrack | str, spans: Sequence[tuple[Fraction, Fraction]]) -> tuple[int, list[F32]]:
    """Cut several time ranges out of a sound. Decodes once and never loads the whole sound.

    Parameters
    ----------
    spans : (start, stop) in seconds from the sound's start; parts outside the stream are dropped

    Returns
    -------
    sample rate in Hz; for each span (channels, n) float32, n = 0 if the stream has nothing there

    Raises
    ------
    ProbeError, DecodeError
    """
    found: list[list[F32]] = [[] for _ in spans]
    at = rate = channels = 0
    for rate, block in blocks(track):
        channels = block.shape[0]
        for piece, (start_s, stop_s) in zip(found, spans, strict=True):
            low, high = max(0, round(start_s * rate) - at), round(stop_s * rate) - at
            if high > 0 and low < block.shape[1]:
                piece.append(block[:, low:high].copy())
        at += block.shape[1]
        if all(at >= stop_s * rate for _, stop_s in spans):
            break
    nothing = np.zeros((channels, 0), np.float32)
    return rate, [np.concatenate(piece, axis=1) if piece else nothing for piece in found]


def wav_bytes(samples: F32, rate: int) -> bytes:
    """(channels, n) float32 in [−1, 1] as a WAV file of 16 bits."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(samples.shape[0])
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((samples.clip(-1, 1) * 32767).round().astype("<i2").T.tobytes())
    return buffer.getvalue()
