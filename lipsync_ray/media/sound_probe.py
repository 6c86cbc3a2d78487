"""Measures a sound by decoding it to its end: duration, loudness, clipping, truncation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.media.audio import SoundTrack, blocks, mono_blocks, sound_stream
from lipsync_ray.media.clipping import Clipping, Levels
from lipsync_ray.media.container import opened
from lipsync_ray.media.endings import cut_off
from lipsync_ray.media.loudness import LoudnessMeter
from lipsync_ray.media.mixer import STEREO

F32 = NDArray[np.float32]

_CANCELS = 0.01  # ratio of the mixed channels' power to their own, below which they cancel out


@dataclass(frozen=True)
class Sound:
    """Properties of a fully decoded audio stream.

    Attributes
    ----------
    codec : FFmpeg's name
    sample_rate : Hz
    channels : one or two; more are mixed down to two
    samples : number per channel
    peak : largest absolute sample; 1 is full scale
    cancels : its two channels are in opposite phase, so that their mean is silent
    loudness_lufs : of the mono sound that is used, gated relative to its loudest block; None for silence
    ceiling, clipped : absolute sample value from which that sound is clipped, and share of such samples, 0–1; None and
        0 if it is not
    cut_off : a sentence if it is truncated or its header is wrong; else None
    """

    codec: str
    sample_rate: int
    channels: int
    samples: int
    peak: float = 1.0
    cancels: bool = False
    loudness_lufs: float | None = None
    ceiling: float | None = None
    clipped: float = 0.0
    cut_off: str | None = None

    @property
    def duration_s(self) -> Fraction:
        return Fraction(self.samples, self.sample_rate)


def probe_audio(track: SoundTrack | str, on_block: Callable[[int, F32], None] | None = None) -> Sound:
    """Decode a stream to its end and measure it; exact even if the header is wrong.

    Parameters
    ----------
    on_block : called with the sample rate and each decoded block, (channels, n) float32

    Raises
    ------
    ProbeError : unreadable, or no audio stream
    DecodeError : a stream without a single decodable sample
    """
    track = SoundTrack(track) if isinstance(track, str) else track
    rate = count = channels = 0
    peak = power = mean_power = 0.0
    levels, meter = Levels(), LoudnessMeter()
    for rate, block in blocks(track):
        channels = block.shape[0]
        count += block.shape[1]
        peak = max(peak, float(np.abs(block).max()))
        mean = block.mean(axis=0)
        power += float(np.square(block, dtype=np.float64).mean(axis=0).sum())
        mean_power += float(np.square(mean, dtype=np.float64).sum())
        levels.add(mean)
        meter.add(rate, mean[None])
        if on_block is not None:
            on_block(rate, block)
    cancels = cancel_out(channels, power, mean_power)
    with opened(track.url, planned=track.content) as container:
        stream = sound_stream(container, track)
        codec, mixed = stream.codec_context.name, stream.codec_context.channels > STEREO
        ends = cut_off(track.url, container, stream, Fraction(count, rate))
    clipping = levels.clipping()
    if cancels or mixed:  # the mono sound is not the mean measured above
        clipping = _clipping(track, cancels)
    loudness = meter.loudness(None)
    if cancels or mixed or clipping is not None:
        loudness = _loudness(track, cancels, clipping)
    ceiling, clipped = (clipping.ceiling, clipping.share) if clipping else (None, 0.0)
    return Sound(codec, rate, channels, count, peak, cancels, loudness, ceiling, clipped, ends)


def cancel_out(channels: int, power: float, mean_power: float) -> bool:
    """Whether two channels are in opposite phase, by their summed power and the power of their mean."""
    return channels == STEREO and power > 0 and mean_power < _CANCELS * power


def _clipping(track: SoundTrack, cancels: bool) -> Clipping | None:
    levels = Levels()
    for _, block in mono_blocks(track, None, cancels):
        levels.add(block)
    return levels.clipping()


def _loudness(track: SoundTrack, cancels: bool, clipping: Clipping | None) -> float | None:
    """Loudness of the mono sound that is used, after declipping."""
    meter = LoudnessMeter()
    for rate, block in mono_blocks(track, None, cancels, clipping.ceiling if clipping else None):
        meter.add(rate, block[None])
    return meter.loudness(None)
