"""Brings a sound to a loudness and a largest true peak (EBU R 128), measured on what players decode.

A first pass measures the sound, and finds the gain with which it has its loudness behind the limiter. The second one
encodes and decodes it, too, and is repeated with what it measured until both are met: an encoder that loses something
makes peaks higher.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from itertools import chain
from pathlib import Path

import numpy as np

from lipsync_ray.media import audio
from lipsync_ray.media.choices import AudioCodec
from lipsync_ray.media.limiter import Excess, limited
from lipsync_ray.media.loudness import FLOOR_LUFS, LoudnessMeter, decibels, factor, gain_db
from lipsync_ray.media.mixer import STEREO
from lipsync_ray.media.sound_codecs import ENCODERS
from lipsync_ray.media.sound_store import F32, SoundStore
from lipsync_ray.media.sound_writers import write_sound

TOLERANCE_LU, TOLERANCE_DB = 0.3, 0.1
_ENOUGH_LU, _ENOUGH_DB = 0.1, 0.05  # of the wanted ones: no further round
_ROUNDS, _GAINS = 7, 6
_MADE_UP_DB = 10.0  # at most, of what the limiter takes: with more a voice would be distorted


@dataclass(frozen=True)
class Level:
    """What a sound is brought to.

    Attributes
    ----------
    loudness_lufs : integrated loudness; None leaves it
    true_peak_db : largest true peak in dBTP; None for no limiter
    """

    loudness_lufs: float | None = None
    true_peak_db: float | None = None

    @property
    def asked(self) -> bool:
        """Whether anything is to be done."""
        return self.loudness_lufs is not None or self.true_peak_db is not None


@dataclass(frozen=True)
class Measured:
    """What was measured of an encoded sound: LUFS, None of silence; dBTP."""

    loudness_lufs: float | None
    true_peak_db: float


@dataclass(frozen=True)
class MasteredSound:
    """A stored sound as it is encoded into a video.

    Attributes
    ----------
    gain : factor
    ceiling : of the limiter; None for none
    excess : where the encoder makes peaks that are too high
    measured : of what is decoded; None where it was not measured
    language, codec, title : as :class:`~lipsync_ray.media.sound_writers.WrittenSound` has them
    """

    store: SoundStore = field(compare=False)
    codec: AudioCodec = "aac"
    language: str | None = None
    title: str = ""
    gain: float = 1.0
    ceiling: float | None = None
    excess: Excess | None = None
    measured: Measured | None = None

    @property
    def duration_s(self) -> Fraction:
        return Fraction(self.store.length, self.store.rate)

    def blocks(self) -> Iterator[tuple[int, F32]]:
        """(sample rate, (channels, n) float32) of the whole sound, in pieces."""
        return ((self.store.rate, block) for block in limited(self.store, self.gain, self.ceiling, self.excess))


def mastered(sound: MasteredSound, level: Level) -> MasteredSound:
    """The sound with the gain and the ceiling by which what players decode has a level."""
    wanted, peak = level.loudness_lufs, level.true_peak_db
    plain = _measured_of(sound.blocks(), peaks=False).loudness_lufs
    gain = 0.0 if wanted is None else gain_db(plain, wanted)
    sound = replace(sound, ceiling=None if peak is None else factor(peak))
    most, lost, lower = gain + _MADE_UP_DB, 0.0, 0.0
    made: list[tuple[float, float, MasteredSound]] = []
    for number in range(_ROUNDS):
        if wanted is not None and plain is not None:
            gain = _gain(sound, wanted + lost, gain, most)
        sound = replace(sound, gain=factor(gain))
        with _decoded(sound) as decoded:
            found = _measured_of((decoded.rate, block) for block in decoded.blocks())
            sound = replace(sound, measured=found)
            off = 0.0 if wanted is None or found.loudness_lufs is None else wanted - found.loudness_lufs
            over = 0.0 if peak is None else found.true_peak_db - peak
            made.append((max(0.0, over - TOLERANCE_DB), abs(off), sound))
            if (abs(off) <= _ENOUGH_LU or (gain == most and off > 0)) and over <= _ENOUGH_DB:
                break
            lost += off  # by the encoder: little
            if peak is None or over <= 0:
                continue
            if number < _ROUNDS // 2 and not ENCODERS[sound.codec].lossless:
                excess = sound.excess or Excess.none()
                sound = replace(sound, excess=excess.more(decoded, factor(peak), sound.store.rate))
            else:
                lower += over
                sound = replace(sound, ceiling=factor(peak - lower))
    return min(made, key=lambda one: one[:2])[2]  # an encoder may be worse in a later round


def _gain(sound: MasteredSound, wanted: float, gain: float, most: float) -> float:
    """The gain in dB, at most `most`, with which a sound has a loudness behind the limiter; nothing is encoded."""
    for _ in range(_GAINS):
        found = _measured_of(replace(sound, gain=factor(gain)).blocks(), peaks=False).loudness_lufs
        off = 0.0 if found is None else wanted - found
        if abs(off) <= _ENOUGH_LU / 2 or (gain == most and off > 0):
            break
        gain = min(gain + off, most)
    return gain


@contextmanager
def _decoded(sound: MasteredSound) -> Iterator[SoundStore]:
    """What is decoded of a sound once it is encoded."""
    store = sound.store
    with tempfile.TemporaryDirectory() as scratch:
        blocks = sound.blocks()
        if not ENCODERS[sound.codec].lossless:
            path = Path(scratch) / "sound.mp4"
            write_sound(sound, path)
            blocks = audio.blocks(str(path), channels=store.channels if store.channels > STEREO else None)
        first = next(blocks, (store.rate, np.zeros((store.channels, 0), np.float32)))
        rate = first[0]
        with SoundStore(rate, store.channels, -(-store.length * rate // store.rate)) as decoded:
            at = 0
            for _, block in chain((first,), blocks):
                decoded.write(at, block)
                at += block.shape[1]
            yield decoded


def _measured_of(blocks: Iterable[tuple[int, F32]], peaks: bool = True) -> Measured:
    meter = LoudnessMeter(peaks)
    for rate, block in blocks:
        meter.add(rate, block)
    return Measured(meter.loudness(FLOOR_LUFS), decibels(meter.true_peak()))
