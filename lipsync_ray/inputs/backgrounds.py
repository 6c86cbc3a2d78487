"""A distinct background, decoded once: how long it is, its channels, and how long somebody speaks in it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

import numpy as np

from lipsync_ray.io import storage
from lipsync_ray.media import speech_mel
from lipsync_ray.media.audio import SoundTrack, sound_stream
from lipsync_ray.media.container import opened
from lipsync_ray.media.sound_probe import Sound, probe_audio
from lipsync_ray.media.time_series import true_runs

_FORMAT = 1  # raise when what is stored changes its meaning
_LEAST_CHUNKS = 16  # of 32 ms: what is shorter than half a second is no voice


@dataclass(frozen=True)
class BackgroundSource:
    """A background to look at.

    Attributes
    ----------
    key : changes with its content
    folder : where what is found goes
    listens : whether to look for a voice in it
    """

    track: SoundTrack
    key: str
    folder: str
    listens: bool = False


@dataclass(frozen=True)
class FoundBackground:
    """What is known of a background.

    Attributes
    ----------
    track : its sound
    sound : what it is, in one or two channels
    channels : that the file has
    voiced_s : seconds in which somebody speaks; None where nobody asked
    """

    track: SoundTrack
    sound: Sound
    channels: int
    voiced_s: float | None = None


def look_at_background(source: BackgroundSource) -> FoundBackground:
    """Decode a background to its end; at once where that was done before.

    Raises
    ------
    ProbeError, DecodeError : no usable sound in it
    ChangedError : the file is another one by now
    """
    url = storage.join(source.folder, f"{source.key}-{_FORMAT}.background.json")
    if storage.exists(url):
        note = json.loads(storage.read_bytes(url))
        return FoundBackground(source.track, Sound(**note["sound"]), note["channels"], note["voiced_s"])
    sound = probe_audio(source.track)
    with opened(source.track.url, planned=source.track.content) as container:
        channels = sound_stream(container, source.track).codec_context.channels
    voiced_s = _voiced_s(source.track, sound) if source.listens else None
    note = {"sound": asdict(sound), "channels": channels, "voiced_s": voiced_s}
    storage.commit_bytes(url, json.dumps(note).encode())
    return FoundBackground(source.track, sound, channels, voiced_s)


def _voiced_s(track: SoundTrack, sound: Sound) -> float:
    from lipsync_ray.models.voice import voice_of  # torch

    spans = true_runs(voice_of(track, sound) >= speech_mel.VOICED)
    chunks = np.array([stop - start for start, stop in spans] or [0])
    return float(chunks[chunks >= _LEAST_CHUNKS].sum() * speech_mel.VOICE_CHUNK / 16_000)
