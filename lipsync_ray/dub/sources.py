"""The distinct media of a run, each looked at once: videos probed, audio decoded to its mel.

A mel is stored as raw little-endian float32, time first, so that a worker reads just the columns of its segment.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from lipsync_ray import storage
from lipsync_ray.errors import DecodeError
from lipsync_ray.media import audio, mel
from lipsync_ray.media.audio import Sound, Span
from lipsync_ray.media.probe import VideoInfo, probe_video

FOLDER = "sources"
FORMAT = 1  # raise when what is stored changes its meaning
_ROW_BYTES = mel.BANDS * 4


@dataclass(frozen=True)
class VideoSource:
    """A video to look at. `key` changes with its content; `still_rate` is for pictures."""

    url: str
    key: str
    still_rate: Fraction


@dataclass(frozen=True)
class AudioSource:
    """An audio file to listen to, and where its mel goes."""

    url: str
    key: str
    trim: bool
    folder: str


@dataclass(frozen=True)
class Speech:
    """An audio file as the dubs use it.

    Attributes
    ----------
    url : the audio file
    sound : what it is
    span : the samples that are used
    mel_url : raw float32 (columns, 80) of the span
    columns : of 12.5 ms each
    """

    url: str
    sound: Sound
    span: Span
    mel_url: str
    columns: int

    @property
    def duration_s(self) -> Fraction:
        return Fraction(self.span.stop - self.span.start, self.sound.sample_rate)

    def read_mel(self, first: int, last: int) -> mel.F32:
        """(n, 80) float32 columns [first, last), as far as there are any."""
        first, last = max(0, first), min(self.columns, last)
        if last <= first:
            return np.zeros((0, mel.BANDS), np.float32)
        data = storage.read_bytes(self.mel_url, first * _ROW_BYTES, (last - first) * _ROW_BYTES)
        return np.frombuffer(data, "<f4").reshape(-1, mel.BANDS)


def look(source: VideoSource) -> VideoInfo:
    """Probe a video."""
    return probe_video(source.url, source.still_rate)


def listen(source: AudioSource) -> Speech:
    """Decode an audio file to its end, commit its mel, and say what it is; at once where that was done before.

    Raises
    ------
    ProbeError, DecodeError : no usable audio in it
    """
    mel_url = storage.join(source.folder, f"{source.key}.mel")
    note_url = storage.join(source.folder, f"{source.key}.json")
    if storage.exists(note_url):
        note = json.loads(storage.read_bytes(note_url))
        return Speech(source.url, Sound(**note["sound"]), Span(**note["span"]), mel_url, note["columns"])
    sound = audio.probe_audio(source.url)
    span = audio.sounding(source.url, sound) if source.trim else Span(0, sound.samples)
    columns = 0
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "mel"
        with path.open("wb") as file:
            for block in mel.mel_blocks(audio.speech_blocks(source.url, span)):
                file.write(np.ascontiguousarray(block, "<f4").tobytes())
                columns += len(block)
        if not columns:
            raise DecodeError(f"{source.url}: no sound in it")
        storage.commit_file(path, mel_url)
    note = {"sound": asdict(sound), "span": asdict(span), "columns": columns}
    storage.commit_bytes(note_url, json.dumps(note).encode())
    return Speech(source.url, sound, span, mel_url, columns)
