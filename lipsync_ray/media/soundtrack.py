"""The sound of a dub with a background: the voice over it, lowered while the voice is heard, at one level."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np

from lipsync_ray.io import storage
from lipsync_ray.media import audio
from lipsync_ray.media.audio import F32, SAMPLE_RATE, SoundTrack
from lipsync_ray.media.ducking import Ducking, VoiceLevels
from lipsync_ray.media.kept_sounds import own_sounds
from lipsync_ray.media.lines import FADE_S, PEAK, MixedTrack
from lipsync_ray.media.loudness import FLOOR_LUFS, LoudnessMeter, factor
from lipsync_ray.media.mastering import TOLERANCE_DB, TOLERANCE_LU, Level, MasteredSound, Measured, mastered
from lipsync_ray.media.mixer import CENTER, STEREO
from lipsync_ray.media.probe import VideoInfo
from lipsync_ray.media.sound_codecs import ENCODERS
from lipsync_ray.media.sound_graph import resampled, sound_frame
from lipsync_ray.media.sound_store import SoundStore
from lipsync_ray.media.sound_writers import AudioTrack, VideoSound

NOTE = "the result's sound: "
"""Every warning about the sound of a result begins so."""


@dataclass(frozen=True)
class Background:
    """What is heard behind the voice, from the first frame on.

    Attributes
    ----------
    sound : the file
    rate, channels : that it is mixed with: Hz; one or two, or six or eight as 5.1 or 7.1
    gain_db : what it is amplified by
    duck_db : what it is lowered by while the voice is heard
    only_center : the voice takes the place of the centre instead of being added to it
    """

    sound: SoundTrack
    rate: int
    channels: int
    gain_db: float = 0.0
    duck_db: float = 0.0
    only_center: bool = False


@dataclass(frozen=True)
class Soundtrack:
    """What the sounds of a video are made of.

    Attributes
    ----------
    voice : what is dubbed
    background : None for none
    level : that the first track gets
    voice_url : where the voice alone is committed, as programs hear it: 16 kHz, one channel; None for nowhere
    keeps : a video whose own tracks stay behind it; None for none
    container : of the result
    """

    voice: AudioTrack | MixedTrack
    background: Background | None = None
    level: Level = field(default_factory=Level)
    voice_url: str | None = None
    keeps: VideoInfo | None = None
    container: str = "mp4"


@dataclass(frozen=True)
class ReadySounds:
    """The sounds of a video, ready to be encoded.

    Attributes
    ----------
    track : that players choose
    more : further ones
    measured : of the first one; None where no level was asked for
    notes : what a person should know of them
    """

    track: AudioTrack | MixedTrack | MasteredSound
    more: tuple[VideoSound, ...] = ()
    measured: Measured | None = None
    notes: tuple[str, ...] = ()


@contextmanager
def ready(soundtrack: Soundtrack, lasts_s: Fraction) -> Iterator[ReadySounds]:
    """The sounds of a video, while the context lasts.

    Parameters
    ----------
    lasts_s : of the video, in seconds

    Raises
    ------
    ProbeError, DecodeError, ChangedError : of a file of it
    StorageError : the voice cannot be committed
    """
    more, notes = (
        own_sounds(soundtrack.keeps, lasts_s, soundtrack.container) if soundtrack.keeps is not None else ((), ())
    )
    notes = tuple(f"{NOTE}{note}" for note in notes)
    if soundtrack.background is None and not soundtrack.level.asked:
        yield ReadySounds(soundtrack.voice, more, None, notes)
        return
    with _mixed(soundtrack) as sound:
        yield ReadySounds(sound, more, sound.measured, (*notes, *_notes(sound, soundtrack.level)))


@contextmanager
def _mixed(soundtrack: Soundtrack) -> Iterator[MasteredSound]:
    source = soundtrack.voice.blocks()
    first = next(source)
    background, level, codec = soundtrack.background, soundtrack.level, soundtrack.voice.codec
    rate = ENCODERS[codec].rate(max(first[0], background.rate if background else 0))
    channels = max(len(first[1]), background.channels if background else 0)
    with SoundStore(rate, channels, int(soundtrack.voice.duration_s * rate)) as store:
        voice = _Voice(store, resampled((block for _, block in chain((first,), source)), first[0], rate))
        gain, cut = 1.0, voice.cut
        if background is not None:
            if soundtrack.voice_url is not None:
                _commit_voice(store, soundtrack.voice_url)
            loudest, together, cut_too = _add(store, background, voice)
            cut |= cut_too
            if not level.asked and together > max(1.0, loudest):
                gain = PEAK / together
        if cut:
            _fade(store)
        sound = MasteredSound(store, codec, soundtrack.voice.language, gain=gain)
        yield mastered(sound, level) if level.asked else sound


class _Voice:
    """A voice that was written into a store.

    Attributes
    ----------
    loudest : its largest sample
    cut : it goes on after the store's end
    heard : in which of the 10 ms it is heard
    """

    def __init__(self, store: SoundStore, blocks: Iterator[F32]) -> None:
        self._levels, self._meter = VoiceLevels(store.rate, store.length), LoudnessMeter()
        self.loudest, self.cut, at = 0.0, False, 0
        for block in blocks:
            self.cut = block.shape[1] > store.length - at
            block = block[:, : store.length - at]
            if not block.shape[1]:
                break
            self._levels.add(block)
            self._meter.add(store.rate, block)
            self.loudest = max(self.loudest, float(np.abs(block).max()))
            store.write(at, _spread(block, store.channels))
            at += block.shape[1]
            if self.cut:
                break
        self.heard = self._levels.heard(self._meter.loudness(FLOOR_LUFS))


def _spread(block: F32, channels: int) -> F32:
    """A voice in as many channels: alone in the centre of more than two, as the mean of its own; else in each."""
    if channels <= STEREO:
        return np.repeat(block, channels // len(block), axis=0)
    out = np.zeros((channels, block.shape[1]), np.float32)
    out[CENTER] = block.mean(axis=0)
    return out


def _add(store: SoundStore, background: Background, voice: _Voice) -> tuple[float, float, bool]:
    """Add a background to a stored voice: the larger of their peaks, that of the sum, and whether it goes on after the end."""
    gain = factor(background.gain_db)
    ducking = Ducking(voice.heard, background.duck_db, store.rate)
    loudest, together, cut, at = voice.loudest, 0.0, False, 0
    wide = background.channels if background.channels > STEREO else None
    blocks = audio.blocks(background.sound, channels=wide)
    first = next(blocks)
    for block in resampled((block for _, block in chain((first,), blocks)), first[0], store.rate):
        cut = block.shape[1] > store.length - at
        block = block[:, : store.length - at]
        if not block.shape[1]:
            break
        block = np.repeat(block, store.channels // len(block), axis=0) if wide is None else block.copy()
        if background.only_center:
            block[CENTER] = 0
        block = block * (ducking.factor(at, at + block.shape[1]) * np.float32(gain))
        mixed = store.read(at, at + block.shape[1]) + block
        loudest = max(loudest, float(np.abs(block).max()))
        together = max(together, float(np.abs(mixed).max()))
        store.write(at, mixed)
        at += block.shape[1]
    return loudest, together, cut


def _fade(store: SoundStore) -> None:
    """Fade the end out, against a click."""
    count = min(store.length, round(FADE_S * store.rate))
    start = store.length - count
    store.write(start, store.read(start, store.length) * np.linspace(1, 0, count, endpoint=False, dtype=np.float32))


def _commit_voice(store: SoundStore, url: str) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "voice.flac"
        with av.open(str(path), "w", format="flac") as out:
            stream = out.add_stream("flac", rate=SAMPLE_RATE, layout="mono")
            at = 0
            for block in store.blocks():
                one = block[CENTER : CENTER + 1] if len(block) > STEREO else block.mean(axis=0, keepdims=True)
                frame = sound_frame(one, store.rate)
                frame.pts, frame.time_base = at, Fraction(1, store.rate)
                at += block.shape[1]
                out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
        storage.commit_file(path, url)


def _notes(sound: MasteredSound, level: Level) -> Iterator[str]:
    """What of a level is not met."""
    found, wanted = sound.measured, level.loudness_lufs
    if found is None:
        return
    if wanted is not None and found.loudness_lufs is None:
        yield f"{NOTE}it is silent, and no loudness can be given to it"
    elif wanted is not None and found.loudness_lufs is not None and abs(found.loudness_lufs - wanted) > TOLERANCE_LU:
        yield (
            f"{NOTE}{found.loudness_lufs:.1f} LUFS instead of {wanted:g}: its peaks, at {level.true_peak_db:g} dBTP, allow "
            "no more"
        ).replace("-", "−")
    if level.true_peak_db is not None and found.true_peak_db > level.true_peak_db + TOLERANCE_DB:
        yield f"{NOTE}its true peak is {found.true_peak_db:.1f} dBTP instead of {level.true_peak_db:g}".replace(
            "-", "−"
        )
