"""A distinct audio file, decoded once to the features that a network hears.

They are stored as raw little-endian float32, time first, so that a worker reads just the columns of its segment.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.errors import DecodeError
from lipsync_ray.io import storage
from lipsync_ray.io.block_cache import read_range
from lipsync_ray.media import audio, mel, mfcc, speech_mel
from lipsync_ray.media.audio import SAMPLE_RATE, SoundTrack, Span
from lipsync_ray.media.silence import trim_silence
from lipsync_ray.media.sound_probe import Sound, probe_audio

if TYPE_CHECKING:  # torch, which a sound's features do without
    from lipsync_ray.models.weights import Checkpoint
    from lipsync_ray.models.whisper_encoder import HiddenStates

F32 = NDArray[np.float32]
Hearer = TypeVar("Hearer", bound="HiddenStates")
FrontEnd = Literal["mel", "speech-mel", "mfcc", "whisper", "whisper-layers"]

Pauses = Literal["every", "long", "none"]
"""In which stretches without a voice a mouth closes."""

FOLDER = "sources"
FORMAT = 4  # raise when what is stored changes its meaning
BANDS = {"mel": mel.BANDS, "speech-mel": mel.BANDS, "mfcc": mfcc.COEFFICIENTS}
SILENCE = {"mel": mel.SILENCE, "speech-mel": mel.SILENCE, "whisper": 0.0}  # what is heard beyond the ends of a sound
SILENT_PEAK = 10 ** (-60 / 20)  # full scale is 1: dither and hum lie below, no speech does
VOICE_PER_S = Fraction(SAMPLE_RATE, speech_mel.VOICE_CHUNK)
_AROUND_SPEECH = {"every": (3, 2), "long": (10, 5)}  # chunks to either side that are no pause, and in which it begins
_LONG = 62  # chunks: two seconds
_PCM = 32768  # SyncNet hears 16-bit numbers


@dataclass(frozen=True)
class AudioSource:
    """A sound to listen to, whether to trim its silence, and where its features go. `key` tells one from another.

    `voice` asks where somebody speaks in it, too. `hearer` is the network that Whisper's front ends are.
    `levelled`: it has the level that this project's models hear sounds at.
    """

    track: SoundTrack
    key: str
    trim: bool
    folder: str
    front_end: FrontEnd = "mel"
    voice: bool = False
    hearer: Checkpoint | None = None
    levelled: bool = False

    @property
    def features_url(self) -> str:
        """Where its features go; those of another network are others."""
        heard_by = f"-{self.hearer.sha256[:8]}" if self.hearer else ""
        return storage.join(self.folder, f"{self.key}-{FORMAT}.{self.front_end}{heard_by}")


@dataclass(frozen=True)
class Speech:
    """A sound as the jobs use it.

    Attributes
    ----------
    track : the sound
    sound : what it is
    span : the samples that are used
    features_url : raw float32 (columns, bands) of the span
    columns : of 12.5 ms (mel), 10 ms (MFCC) or 20 ms (Whisper's hidden states)
    bands : 80 (mel), 13 (MFCC) or 1,920 (five layers of 384)
    voice_url : raw float32 probability of speech in each 32 ms of the span, where that was asked for
    voiced : share of them, 0–1, in which somebody speaks, likewise
    """

    track: SoundTrack
    sound: Sound
    span: Span
    features_url: str
    columns: int
    bands: int = mel.BANDS
    voice_url: str | None = None
    voiced: float | None = None

    @property
    def duration_s(self) -> Fraction:
        return Fraction(self.span.stop - self.span.start, self.sound.sample_rate)

    @property
    def silent(self) -> bool:
        """Whether there is nothing to hear in it, however loud it is played."""
        return self.sound.peak < SILENT_PEAK and not self.voiced

    def read(self, first: int, last: int) -> F32:
        """(n, bands) float32 columns [first, last), as far as there are any."""
        first, last = max(0, first), min(self.columns, last)
        if last <= first:
            return np.zeros((0, self.bands), np.float32)
        row = self.bands * 4
        data = read_range(self.features_url, first * row, (last - first) * row)
        return np.frombuffer(data, "<f4").reshape(-1, self.bands)

    def silence(self, frames: NDArray[np.int64], rate: Fraction, pauses: Pauses = "every") -> F32:
        """(n,) float32 how silent frames at `rate` are: 1 in a pause, 0 in speech and a tenth of a second around it.

        Half a tenth of a second on either side of an edge lie between. Beyond the sound is silence.

        Parameters
        ----------
        pauses : which count: "every" one; "long" ones, of two seconds and more, with a third of a second around speech and as
            much between; or "none"
        """
        if self.voice_url is None or pauses == "none" or not len(frames):
            return np.zeros(len(frames), np.float32)
        dilated, smoothed = _AROUND_SPEECH[pauses]
        at = np.floor(frames * float(VOICE_PER_S / rate)).astype(np.int64)
        margin = dilated + smoothed + (_LONG if pauses == "long" else 0)
        first, last = int(at.min()) - margin, int(at.max()) + margin + 1
        inside = max(0, first)
        data = read_range(self.voice_url, inside * 4, max(0, last - inside) * 4)
        voiced = np.zeros(last - first, bool)
        found = np.frombuffer(data, "<f4") >= speech_mel.VOICED
        voiced[inside - first : inside - first + len(found)] = found
        quiet: NDArray[np.bool_] = ~voiced
        if pauses == "long":  # an opening, of mathematical morphology: what is part of a long enough run
            runs = np.lib.stride_tricks.sliding_window_view(quiet, _LONG + 1).all(1)
            quiet = np.asarray(np.lib.stride_tricks.sliding_window_view(runs, _LONG + 1).any(1))
        still = np.lib.stride_tricks.sliding_window_view(quiet, 2 * dilated + 1).all(1)
        silent = np.lib.stride_tricks.sliding_window_view(still, 2 * smoothed + 1).mean(1)
        return np.asarray(silent[at - int(at.min())], np.float32)


def extract_audio_features(source: AudioSource) -> Speech:
    """Decode a sound to its end, commit its features, and say what it is; at once where that was done before.

    Raises
    ------
    ProbeError, DecodeError : no usable audio in it
    """
    speech = _features_of(source)
    if not source.voice:
        return speech
    url = storage.join(source.folder, f"{source.key}-{FORMAT}.voice")
    if not storage.exists(url):
        from lipsync_ray.models.voice import voice_of  # torch, which a sound's features do without

        found = voice_of(source.track, speech.sound, speech.span)
        storage.commit_bytes(url, found.astype("<f4").tobytes())
    voiced = np.frombuffer(storage.read_bytes(url), "<f4") >= speech_mel.VOICED
    return replace(speech, voice_url=url, voiced=float(voiced.mean()) if len(voiced) else 0.0)


def _features_of(source: AudioSource) -> Speech:
    features_url = source.features_url
    note_url = f"{features_url}.json"
    if storage.exists(note_url):
        note = json.loads(storage.read_bytes(note_url))
        bands = note.get("bands") or BANDS[source.front_end]
        return Speech(source.track, Sound(**note["sound"]), Span(**note["span"]), features_url, note["columns"], bands)
    sound = probe_audio(source.track)
    if source.levelled:
        sound = replace(sound, loudness_lufs=speech_mel.LEVEL_LUFS)
    span = trim_silence(source.track, sound) if source.trim else Span(0, sound.samples)
    columns = bands = 0
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "features"
        with path.open("wb") as file:
            for block in _features(source, sound, span):
                file.write(np.ascontiguousarray(block, "<f4").tobytes())
                columns, bands = columns + len(block), block.shape[1]
        if not columns:
            raise DecodeError(f"{source.track.url}: no sound in it")
        storage.commit_file(path, features_url)
    note = {"sound": asdict(sound), "span": asdict(span), "columns": columns, "bands": bands}
    storage.commit_bytes(note_url, json.dumps(note).encode())
    return Speech(source.track, sound, span, features_url, columns, bands)


def _features(source: AudioSource, sound: Sound, span: Span) -> Iterator[NDArray[Any]]:
    if source.front_end == "speech-mel":
        return speech_mel.speech_mel(source.track, sound, span)
    blocks = audio.speech_blocks(source.track, span, sound.cancels)
    if source.front_end == "mel":
        return mel.mel_blocks(blocks)
    if source.front_end == "whisper-layers":
        from lipsync_ray.models.whisper_layers import LayerStates, layer_blocks  # torch and transformers

        return layer_blocks(blocks, _hearer(LayerStates, source.hearer))
    if source.front_end == "whisper":
        from lipsync_ray.models.whisper_encoder import HiddenStates, hidden_blocks

        return hidden_blocks(blocks, _hearer(HiddenStates, source.hearer))
    return mfcc.mfcc_blocks(np.rint(np.clip(block * _PCM, -_PCM, _PCM - 1)).astype(np.float32) for block in blocks)


@lru_cache(maxsize=1)
def _hearer(kind: type[Hearer], checkpoint: Checkpoint | None) -> Hearer:
    """A worker hears many sounds by one network."""
    from lipsync_ray.compute import one_thread

    if checkpoint is None:
        raise ValueError(f"{kind.__name__} needs a checkpoint: the source has no hearer")
    one_thread()
    return kind(checkpoint)
