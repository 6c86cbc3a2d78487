"""What a sound turns out to be when it is decoded to its end: how long, how loud, cut off where."""

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

_CANCELS = 0.01  # of two channels' power that is left in their mean, below which they cancel each other out


@dataclass(frozen=True)
class Sound:
    """What a decoded audio stream turned out to be.

    Attributes
    ----------
    codec : FFmpeg's name
    sample_rate : Hz
    channels : of the blocks: one or two
    samples : per channel
    peak : the largest sample's size; 1 is full scale
    cancels : its two channels are each other's opposites, so that their mean is silent
    loudness_lufs : of the one channel that is heard of it, gated relative to its loudest moment; None of silence
    ceiling, clipped : where that channel is cut off: size of a sample, and share of them; None and 0 of most sounds
    cut_off : that it ends too early, or its header is wrong, in one sentence; None of most
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
    """Decode a stream to its end and say what it was; exact, where a header may be wrong.

    Parameters
    ----------
    on_block : is given the sample rate and each block, (channels, n) float32, as they are decoded

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
    if cancels or mixed:  # what is heard is another mix
        clipping = _clipping(track, cancels)
    loudness = meter.loudness(None)
    if cancels or mixed or clipping is not None:
        loudness = _loudness(track, cancels, clipping)
    ceiling, clipped = (clipping.ceiling, clipping.share) if clipping else (None, 0.0)
    return Sound(codec, rate, channels, count, peak, cancels, loudness, ceiling, clipped, ends)


def cancel_out(channels: int, power: float, mean_power: float) -> bool:
    """Whether two channels are each other's opposites, by their mean power and the power of their mean."""
    return channels == STEREO and power > 0 and mean_power < _CANCELS * power


def _clipping(track: SoundTrack, cancels: bool) -> Clipping | None:
    levels = Levels()
    for _, block in mono_blocks(track, None, cancels):
        levels.add(block)
    return levels.clipping()


def _loudness(track: SoundTrack, cancels: bool, clipping: Clipping | None) -> float | None:
    """Of what is heard, as it is heard."""
    meter = LoudnessMeter()
    for rate, block in mono_blocks(track, None, cancels, clipping.ceiling if clipping else None):
        meter.add(rate, block[None])
    return meter.loudness(None)
