"""Reads a picture stream's times from its packets: number of frames, distances, plausibility."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

import av
import av.error

from lipsync_ray.media.container import clock_may_jump

NAMED_RATES = tuple(
    Fraction(n, d)
    for n, d in (
        (24000, 1001),
        (24, 1),
        (25, 1),
        (30000, 1001),
        (30, 1),
        (48, 1),
        (50, 1),
        (60000, 1001),
        (60, 1),
        (120, 1),
        (240, 1),
    )
)
FASTEST_GUESS = Fraction(240)  # a higher guess of FFmpeg may be a time base
FASTEST = Fraction(1000)  # a higher measured rate is a broken clock
DEFAULT_RATE = Fraction(25)
BACK_S = Fraction(1, 2)  # a decoding time that goes back by more is a clock reset
REORDER = 17  # frames by which presentation and file order may differ (H.264 and HEVC delay up to 16)
AHEAD_S = 10  # so is a jump ahead by more, in formats whose clock may jump; FFmpeg's tools assume the same


@dataclass(frozen=True)
class Stamps:
    """Times of a stream's visible packets.

    Attributes
    ----------
    times : sorted presentation times, in units of `time_base`, of packets that have one, on a clock without jumps
    last_duration : of the last packet, if known
    packets : number of visible packets
    hidden : packets that an edit list hides
    ends_s : when the last packet of picture or sound ends, on the file's own clock
    joins : (ordinal of the packet in the file, units to add from there on) of each clock reset
    time_base : seconds a unit
    """

    times: tuple[int, ...]
    last_duration: int | None
    packets: int
    hidden: int
    ends_s: Fraction
    joins: tuple[tuple[int, int], ...]
    time_base: Fraction

    @property
    def has_times(self) -> bool:
        """Whether most packets have a presentation time."""
        return 2 * len(self.times) > self.packets


def packets_of(container: Any, *streams: Any) -> Iterator[Any]:
    """The packets of streams, up to the end of the file or its truncation."""
    try:
        for packet in container.demux(*streams):
            if packet.size:
                yield packet
    except av.error.FFmpegError:
        return


def read_stamps(container: Any, stream: Any) -> Stamps:
    """Read a stream's packets to the end, and the end of the file's sound, without decoding."""
    time_base = Fraction(stream.time_base)
    tracker = ClockTracker(time_base, clock_may_jump(container))
    times_shown: list[tuple[int, int | None]] = []
    packets = hidden = 0
    ends: dict[int, int] = {}
    for packet in packets_of(container, stream, *container.streams.audio):
        time = packet.pts if packet.pts is not None else packet.dts
        if time is not None:
            ends[packet.stream_index] = max(time + (packet.duration or 0), ends.get(packet.stream_index, time))
        if packet.stream_index != stream.index:
            continue
        shift = tracker.shift(packet)
        if packet.is_discard:
            hidden += 1
            continue
        packets += 1
        if packet.pts is not None:
            times_shown.append((packet.pts + shift, packet.duration))
    times_shown.sort()
    return Stamps(
        tuple(time for time, _ in times_shown),
        times_shown[-1][1] if times_shown else None,
        packets,
        hidden,
        max((end * Fraction(container.streams[index].time_base) for index, end in ends.items()), default=Fraction(0)),
        tuple(tracker.joins),
        time_base,
    )


class ClockTracker:
    """Follows a stream's decoding times through its file and removes clock resets.

    After a reset, times are shifted so that the stream continues.

    Parameters
    ----------
    time_base : seconds a unit
    may_jump : whether a jump ahead is a clock reset, too, and not a pause
    """

    def __init__(self, time_base: Fraction, may_jump: bool) -> None:
        self.joins: list[tuple[int, int]] = []
        self._time_base, self._may_jump = time_base, may_jump
        self._shift = self._count = 0
        self._end: int | None = None
        self._duration = 1

    def shift(self, packet: Any) -> int:
        """Shift to add to the times of the stream's next packet."""
        time = packet.dts if packet.dts is not None else packet.pts
        if time is not None:
            self._duration = packet.duration or self._duration
            if self._end is not None and self._jumps(time - self._end, packet.dts is None):
                self._shift += self._end - time
                self.joins.append((self._count, self._shift))
            self._end = time + self._duration
        self._count += 1
        return self._shift

    def _jumps(self, step: int, unordered: bool) -> bool:
        """Whether the step from one packet's end to the next one's start is a clock reset."""
        back = BACK_S / self._time_base + (REORDER * self._duration if unordered else 0)
        return step < -back or (self._may_jump and step * self._time_base > AHEAD_S)


def nearest(value: Fraction) -> int:
    """The nearest integer, halves up: the same for every value shifted by a whole number, unlike round()."""
    return (2 * value.numerator + value.denominator) // (2 * value.denominator)


def pick_rate(
    stamps: tuple[int, ...] | list[int], time_base: Fraction, guessed: Fraction | None, average: Fraction | None
) -> Fraction:
    """The constant rate on which a stream's frames are numbered.

    FFmpeg's guess is used if it is a plausible frame rate; else the rate of the usual distance between frames, rounded
    to a named rate within 0.5 %, or to a whole number within measurement error. The usual distance is the mean of those
    that differ from the median by a tick at most: in milliseconds 30 frames/s are 33, 33, 34.
    """
    steps = sorted(b - a for a, b in pairwise(stamps) if b > a)
    if not steps:
        return guessed if guessed and guessed <= FASTEST_GUESS else average or DEFAULT_RATE
    median = steps[len(steps) // 2]
    usual = [step for step in steps if abs(step - median) <= 1]
    measured = len(usual) / (sum(usual) * time_base)
    shortest = 1 / (steps[len(steps) // 20] * time_base)
    if guessed and guessed <= FASTEST_GUESS and guessed <= shortest * Fraction(3, 2):
        return Fraction(guessed)
    named = min(NAMED_RATES, key=lambda rate: abs(rate - measured))
    if abs(named - measured) <= named / 200:
        return named
    whole = Fraction(nearest(measured))
    if abs(whole - measured) * sum(usual) <= measured:  # within the error of one tick over all steps
        return whole
    return measured.limit_denominator(1001)
