"""Synchronises pieces of sound with their pictures in files whose clock is reset."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from lipsync_ray.media.container import clock_may_jump, main_stream
from lipsync_ray.media.stamps import ClockTracker, packets_of


@dataclass(frozen=True)
class Piece:
    """Packets of a stream on one clock.

    Attributes
    ----------
    first : ordinal of its first packet
    shift_s : seconds to add to its times
    starts_s : start time after the shift
    """

    first: int
    shift_s: Fraction
    starts_s: Fraction


def sound_pieces(container: Any, stream: Any) -> tuple[Piece, ...]:
    """The pieces of an audio stream after the first one; none if the clock is continuous.

    Sound and picture of a file jump together. A piece of sound is shifted like the picture, so that both stay in sync.
    If they do not jump equally often, or there is no picture, the sound continues where it was.
    """
    if not clock_may_jump(container):
        return ()
    video = main_stream(container)
    streams = [stream] if video is None else [video, stream]
    trackers = {s.index: ClockTracker(Fraction(s.time_base), may_jump=True) for s in streams}
    begins: list[Fraction] = []
    sound = trackers[stream.index]
    for packet in packets_of(container, *streams):
        tracker = trackers[packet.stream_index]
        before = len(tracker.joins)
        tracker.shift(packet)
        if tracker is sound and len(tracker.joins) > before:
            begins.append(Fraction(packet.pts if packet.pts is not None else packet.dts) * Fraction(stream.time_base))
    unit = Fraction(stream.time_base)
    shifts = [shift * unit for _, shift in sound.joins]
    if video is not None and len(trackers[video.index].joins) == len(sound.joins):
        shifts = [shift * Fraction(video.time_base) for _, shift in trackers[video.index].joins]
    return tuple(
        Piece(first, shift, begin + shift) for (first, _), shift, begin in zip(sound.joins, shifts, begins, strict=True)
    )
