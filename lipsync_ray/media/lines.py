"""Mixes the sound of a dub that is given line by line: each line in its slot, all in one track.

A line longer than its slot is cut, sped up, or overlaps the next. Speeding up uses FFmpeg's atempo, which keeps the
pitch.
"""

from __future__ import annotations

import itertools
import math
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.media import audio, loudness
from lipsync_ray.media.audio import SoundTrack, Span
from lipsync_ray.media.choices import AudioCodec, Fit
from lipsync_ray.media.mixer import STEREO
from lipsync_ray.media.sound_graph import SoundGraph

F32 = NDArray[np.float32]


PEAK = 10 ** (-1 / 20)  # of a mix that would exceed full scale: −1 dB
FADE_S = Fraction(1, 50)  # fade at a cut, against clicks
_BLOCK = 1 << 16  # samples
_MOST_TEMPO = 100.0  # of one atempo


@dataclass(frozen=True)
class Line:
    """A line and its slot.

    Attributes
    ----------
    sound, span : the recording, and its range in samples
    rate : sample rate of the recording in Hz
    start_s, end_s : the slot
    """

    sound: SoundTrack
    span: Span
    rate: int
    start_s: Fraction
    end_s: Fraction

    @property
    def lasts_s(self) -> Fraction:
        """Duration of the recording."""
        return Fraction(self.span.stop - self.span.start, self.rate)


@dataclass(frozen=True)
class Fitted:
    """How a line is fitted into its slot.

    Attributes
    ----------
    tempo : speed-up factor, 1 or more
    end_s : its end
    cut_s : seconds cut off its end, at that tempo
    """

    tempo: float
    end_s: Fraction
    cut_s: Fraction


def fitted(line: Line, fit: Fit, most: float) -> Fitted:
    """Fit a line into its slot; one that is short enough is unchanged.

    Parameters
    ----------
    most : largest tempo of "stretch"; the rest is cut
    """
    slot = line.end_s - line.start_s
    if line.lasts_s <= slot or fit == "overlap":
        return Fitted(1.0, line.start_s + line.lasts_s, Fraction(0))
    tempo = min(float(line.lasts_s / slot), most) if fit == "stretch" else 1.0
    lasts = line.lasts_s / Fraction(tempo)
    return Fitted(tempo, line.end_s, max(Fraction(0), lasts - slot))


@dataclass(frozen=True)
class MixedTrack:
    """The audio of a video, mixed of lines.

    Attributes
    ----------
    how : of each line
    language : tag of the output's track, as the user wrote it
    """

    lines: tuple[Line, ...]
    how: tuple[Fitted, ...]
    duration_s: Fraction
    language: str | None = None
    codec: AudioCodec = "aac"
    title: str = ""

    def blocks(self) -> Iterator[tuple[int, F32]]:
        """As :func:`mixed` makes them."""
        return mixed(self.lines, self.how, self.duration_s)


def mixed(
    lines: Sequence[Line],
    how: Sequence[Fitted],
    lasts_s: Fraction,
    rate: int | None = None,
    level_lufs: float | None = None,
) -> Iterator[tuple[int, F32]]:
    """(sample rate, (channels, n) float32) of the mix, in pieces; silent between and after the lines.

    Overlapping lines are added. If the sum exceeds full scale, the whole mix is attenuated to −1 dB; a single recording
    beyond full scale is unchanged.

    Parameters
    ----------
    how : of each line
    rate : of the mix in Hz; None for the highest of the recordings
    level_lufs : loudness that each line is brought to, for itself; None leaves levels as they are. The mix may then exceed full scale

    Raises
    ------
    ProbeError, DecodeError, ChangedError : of a line's file
    """
    rate = rate or max((line.rate for line in lines), default=48_000)
    length = math.ceil(lasts_s * rate)
    with tempfile.TemporaryFile() as file:  # a feature film is 1.4 GB in memory
        whole = np.memmap(file, np.float32, "w+", shape=(max(1, length), STEREO))
        loudest = 0.0
        by_sound: dict[SoundTrack, list[tuple[Line, Fitted]]] = {}
        for line, one in zip(lines, how, strict=True):
            by_sound.setdefault(line.sound, []).append((line, one))
        for sound, own in by_sound.items():
            with _recording(sound, [line.span for line, _ in own]) as read:
                for line, one in own:
                    at, end = round(line.start_s * rate), min(round(one.end_s * rate), length)
                    blocks = _blocks_of(read(line.span), line.rate, one, rate, end - at)
                    for block in blocks if level_lufs is None else _levelled(blocks, rate, level_lufs):
                        loudest = max(loudest, float(np.abs(block).max(initial=0)))
                        whole[at : at + block.shape[1]] += block.T
                        at += block.shape[1]
        together = max(float(np.abs(whole[at : at + _BLOCK]).max(initial=0)) for at in range(0, max(1, length), _BLOCK))
        gain = PEAK / together if together > max(1.0, loudest) and level_lufs is None else 1.0
        for at in range(0, length, _BLOCK):
            yield rate, np.ascontiguousarray((whole[at : min(length, at + _BLOCK)] * np.float32(gain)).T)


def _levelled(blocks: Iterable[F32], rate: int, wanted: float) -> Iterator[F32]:
    """A line at a loudness; a silent one as it is."""
    whole = list(blocks)
    meter = loudness.LoudnessMeter()
    for block in whole:
        meter.add(rate, block)
    return loudness.amplified(whole, loudness.gain_db(meter.loudness(None), wanted))


@contextmanager
def _recording(sound: SoundTrack, spans: Sequence[Span]) -> Iterator[Callable[[Span], Iterator[F32]]]:
    """Reads spans of a recording; it is decoded once, however many there are."""
    if len(spans) == 1:
        yield lambda span: (block for _, block in audio.blocks(sound, span))
        return
    first, last = min(span.start for span in spans), max(span.stop for span in spans)
    with tempfile.TemporaryFile() as file:
        channels = 0
        for _, block in audio.blocks(sound, Span(first, last)):
            channels = len(block)
            file.write(np.ascontiguousarray(block.T).tobytes())
        file.flush()
        samples = np.memmap(file, np.float32, "r").reshape(-1, channels) if channels else np.zeros((0, 1), np.float32)

        def read(span: Span) -> Iterator[F32]:
            part = samples[span.start - first : span.stop - first]
            return (np.ascontiguousarray(part[at : at + _BLOCK].T) for at in range(0, len(part), _BLOCK))

        yield read


def _blocks_of(source: Iterator[F32], own_rate: int, how: Fitted, rate: int, most: int) -> Iterator[F32]:
    """(2, n) float32 of a line at a sample rate, up to `most` samples, faded out at a cut.

    Parameters
    ----------
    source : of the recording, at its own rate
    """
    fade = min(round(FADE_S * rate), most) if how.cut_s else 0
    ramp = np.linspace(1, 0, fade, endpoint=False, dtype=np.float32)
    at = 0
    for block in _at_tempo(source, own_rate, how.tempo, rate):
        part = block[:, : max(0, most - at)]
        if not part.shape[1]:
            return
        low = max(at, most - fade)
        if fade and low < at + part.shape[1]:
            part = part.copy()
            part[:, low - at :] *= ramp[low - (most - fade) : at + part.shape[1] - (most - fade)]
        yield part
        at += part.shape[1]


def _at_tempo(blocks: Iterator[F32], own_rate: int, tempo: float, rate: int) -> Iterator[F32]:
    graph: SoundGraph | None = None
    for block in itertools.chain(blocks, (None,)):
        if graph is None:
            if block is None:
                return
            graph = SoundGraph(own_rate, len(block), _filters(tempo, len(block), rate))
        for frame in graph.push(block):
            out = np.asarray(frame.to_ndarray(), np.float32)
            yield np.repeat(out, STEREO // len(out), axis=0)  # at its own level; FFmpeg would lower it by 3 dB


def _filters(tempo: float, channels: int, rate: int) -> list[tuple[str, str]]:
    layout = "stereo" if channels == STEREO else "mono"
    faster = [("atempo", f"{min(tempo, _MOST_TEMPO)!r}")] if tempo != 1 else []
    return [*faster, ("aformat", f"sample_fmts=fltp:sample_rates={rate}:channel_layouts={layout}")]


def write_mix(
    lines: Sequence[Line],
    how: Sequence[Fitted],
    lasts_s: Fraction,
    path: Path,
    rate: int | None = None,
    level_lufs: float | None = None,
) -> None:
    """Write the mix as a WAV file of 32-bit floats, which cannot clip.

    Parameters
    ----------
    rate, level_lufs : as for :func:`mixed`

    Raises
    ------
    ProbeError, DecodeError, ChangedError : of a line's file
    """
    with av.open(str(path), "w", format="wav") as out:
        stream: Any = None
        for found, block in mixed(lines, how, lasts_s, rate, level_lufs):
            if stream is None:
                stream = out.add_stream("pcm_f32le", rate=found, layout="stereo")
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(block.T.reshape(1, -1)), format="flt", layout="stereo"
            )
            frame.sample_rate = found
            out.mux(stream.encode(frame))
        if stream is not None:
            out.mux(stream.encode(None))
