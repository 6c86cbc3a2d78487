"""Details of a media file for its user: format, size, rate, loudness."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.io import storage
from lipsync_ray.media.audio import SoundTrack, sound_stream
from lipsync_ray.media.choices import VideoCoding
from lipsync_ray.media.container import main_stream, opened
from lipsync_ray.media.kept_samples import losses
from lipsync_ray.media.loudness import LoudnessMeter
from lipsync_ray.media.notes import of_streams
from lipsync_ray.media.probe import probe_video
from lipsync_ray.media.silence import silence_threshold
from lipsync_ray.media.sound_probe import Sound, probe_audio

F32 = NDArray[np.float32]

FLOOR_DBFS = -120.0  # level reported for digital silence
_WINDOW_S = Fraction(1, 100)  # window of a level that is compared with silence


@dataclass(frozen=True)
class VideoDetails:
    """A video stream and its file.

    Attributes
    ----------
    url : where it is
    container : FFmpeg's names of the format
    codec : FFmpeg's name
    profile : of the codec, if known
    width, height : pixels, upright
    rotation : degrees to turn the stored pictures counter-clockwise to have them upright: 0, 90, 180 or 270
    pixel_format : FFmpeg's name
    rate : frames/s of this project's frame grid: the stream's own, or its nominal rate if it varies
    average_rate : frames/s as stored: frames over duration, by the container
    varies : whether the distance between frames is not constant
    frames : as stored
    duration_s : seconds from the first frame's start to the last one's end
    bit_rate : bits/s of the whole file
    bytes : of the file
    has_audio : whether the file has an audio stream too
    still : a single picture
    mirrored : whether left and right are exchanged after the turn
    interlaced : whether its frames are two fields each
    notes : what a dub cannot keep, one sentence each
    """

    url: str
    container: str
    codec: str
    profile: str | None
    width: int
    height: int
    rotation: int
    pixel_format: str
    rate: Fraction
    average_rate: Fraction
    varies: bool
    frames: int
    duration_s: Fraction
    bit_rate: int
    bytes: int
    has_audio: bool
    still: bool
    mirrored: bool = False
    interlaced: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class AudioDetails:
    """A file's audio stream (the default one of several), decoded to its end.

    Levels of more than two channels are those of FFmpeg's mix of them to two.

    Attributes
    ----------
    url : where it is
    container : FFmpeg's names of the format
    codec : FFmpeg's name
    sample_rate : Hz
    channels : number of them
    samples : per channel
    duration_s : seconds
    bit_rate : bits/s of the stream, if known
    peak_dbfs : the largest sample; 0 is full scale, −120 digital silence
    rms_dbfs : root mean square over all channels
    silence : share of it, 0–1, that is silent: RMS over 10 ms below −45 dBFS, or 22 dB below its loudness if that is
        lower
    loudness_lufs : integrated loudness by EBU R 128 (FFmpeg's ebur128); None if no 0.4 s are above −70 LUFS
    sound : probe result that the jobs use
    voiced : share of it, 0–1, with speech (Silero); None if not measured
    notes : which of several streams is used, in one sentence
    """

    url: str
    container: str
    codec: str
    sample_rate: int
    channels: int
    samples: int
    duration_s: Fraction
    bit_rate: int | None
    peak_dbfs: float
    rms_dbfs: float
    silence: float
    loudness_lufs: float | None
    sound: Sound
    voiced: float | None = None
    notes: tuple[str, ...] = ()


def get_video_details(url: str) -> VideoDetails:
    """Read a video's or picture's details from its index and one frame.

    Parameters
    ----------
    url : path or fsspec URL

    Raises
    ------
    ProbeError : missing, unreadable, without a picture stream, cut off, or without timestamps
    """
    info = probe_video(url)
    with opened(url) as container:
        stream = main_stream(container)
        frames = stream.frames or sum(packet.pts is not None or packet.size > 0 for packet in container.demux(stream))
        average = Fraction(stream.average_rate) if stream.average_rate else info.rate
        name, profile = container.format.name, stream.codec_context.profile
    size = storage.size(url)
    return VideoDetails(
        url=url,
        container=name,
        codec=info.codec,
        profile=profile or None,
        width=info.width,
        height=info.height,
        rotation=info.rotation,
        pixel_format=info.pixel_format,
        rate=info.rate,
        average_rate=average,
        varies=info.varies,
        frames=1 if info.still else frames,
        duration_s=info.duration_s,
        bit_rate=round(size * 8 / info.duration_s),
        bytes=size,
        has_audio=info.has_audio,
        still=info.still,
        mirrored=info.mirrored,
        interlaced=info.interlaced,
        notes=(*info.notes, *losses(info, VideoCoding())),
    )


def get_audio_details(url: str) -> AudioDetails:
    """Decode a file's audio stream to its end, a block at a time, and measure it.

    Parameters
    ----------
    url : path or fsspec URL

    Raises
    ------
    ProbeError : missing, unreadable, or no audio stream
    DecodeError : a stream without a single decodable sample
    """
    track = SoundTrack(url)
    levels = _Levels()
    sound = probe_audio(track, levels.add)
    with opened(url) as container:
        stream = sound_stream(container, track)
        streams = [s.language or f"stream {s.index}" for s in container.streams.audio]
        context = stream.codec_context
        name, codec, bit_rate = container.format.name, context.name, stream.bit_rate
    return AudioDetails(
        url=url,
        container=name,
        codec=codec,
        sample_rate=sound.sample_rate,
        channels=context.channels,
        samples=sound.samples,
        duration_s=sound.duration_s,
        bit_rate=bit_rate or None,
        peak_dbfs=_dbfs(sound.peak),
        rms_dbfs=_dbfs(math.sqrt(levels.squares / (sound.samples * sound.channels))),
        silence=levels.silence(sound.loudness_lufs),
        loudness_lufs=levels.meter.loudness(),
        sound=sound,
        notes=of_streams(streams, stream.language or f"stream {stream.index}"),
    )


def _dbfs(level: float) -> float:
    return max(FLOOR_DBFS, 20 * math.log10(level)) if level > 0 else FLOOR_DBFS


class _Levels:
    """Running sums over a stream's blocks, and the power of every 10 ms."""

    def __init__(self) -> None:
        self.squares = 0.0
        self.meter = LoudnessMeter()
        self._powers: list[F32] = []
        self._rest = np.zeros(0, np.float32)

    def add(self, rate: int, block: F32) -> None:
        """Add a block, (channels, n) float32."""
        self.squares += float(np.square(block, dtype=np.float64).sum())
        self.meter.add(rate, block)
        powers = np.concatenate((self._rest, np.square(block).mean(axis=0)))
        length = max(1, int(_WINDOW_S * rate))
        count = len(powers) // length
        self._powers.append(powers[: count * length].reshape(count, length).mean(axis=1))
        self._rest = powers[count * length :]

    def silence(self, loudness_lufs: float | None) -> float:
        """Share of silent windows; for a stream shorter than one window, 0 or 1."""
        threshold = 10 ** (silence_threshold(loudness_lufs) / 10)
        powers = np.concatenate((*self._powers, np.zeros(0, np.float32)))
        return float((powers < threshold).mean()) if len(powers) else float(self._rest.mean() < threshold)
