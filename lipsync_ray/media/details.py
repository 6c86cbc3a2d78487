"""What a person wants to know of a media file before paying for its dub: format, size, rate, loudness."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.io import storage
from lipsync_ray.media.audio import QUIET_DBFS, SoundTrack, blocks, cancel_out, sound_stream
from lipsync_ray.media.container import main_stream, opened
from lipsync_ray.media.probe import probe_video

F32 = NDArray[np.float32]

FLOOR_DBFS = -120.0  # what digital silence is given as: its level has no logarithm
FLOOR_LUFS = -70.0  # EBU R 128's absolute gate: quieter blocks count for nothing
_WINDOW_S = Fraction(1, 100)  # of a level that is compared with silence


@dataclass(frozen=True)
class VideoDetails:
    """A video stream and its file.

    Attributes
    ----------
    url : where it is
    container : FFmpeg's names of the format
    codec : FFmpeg's name
    profile : of the codec, where the stream says so
    width, height : pixels, upright
    rotation : degrees to turn the stored pictures counter-clockwise to have them upright: 0, 90, 180 or 270
    pixel_format : FFmpeg's name
    rate : frames/s on which this project numbers its frames: the stream's own, or its nominal rate where it varies
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
    notes : what a person should know of what a dub cannot keep, one sentence each
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
    """A file's audio stream (the default one, where there are several), decoded to its end.

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
    bit_rate : bits/s of the stream, where the file says so
    peak_dbfs : the largest sample; 0 is full scale, −120 digital silence
    rms_dbfs : root mean square over all channels
    silence : share of it, 0–1, that is silent: RMS below −45 dBFS over 10 ms
    loudness_lufs : integrated loudness by EBU R 128 (FFmpeg's ebur128); None where no 0.4 s are above −70 LUFS
    cancels : its two channels are each other's opposites, so that their mean is silent
    notes : what a person should know of it, one sentence each
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
    cancels: bool = False
    notes: tuple[str, ...] = ()


def get_video_details(url: str) -> VideoDetails:
    """Look at a video or a picture; reads its index and one frame.

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
        notes=info.notes,
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
    levels = _Levels()
    track = SoundTrack(url)
    for rate, block in blocks(track):
        levels.add(rate, block)
    with opened(url) as container:
        stream = sound_stream(container, track)
        streams = [s.language or f"stream {s.index}" for s in container.streams.audio]
        context = stream.codec_context
        name, codec, bit_rate = container.format.name, context.name, stream.bit_rate
    return AudioDetails(
        url=url,
        container=name,
        codec=codec,
        sample_rate=levels.rate,
        channels=context.channels,
        samples=levels.samples,
        duration_s=Fraction(levels.samples, levels.rate),
        bit_rate=bit_rate or None,
        peak_dbfs=_dbfs(levels.peak),
        rms_dbfs=_dbfs(math.sqrt(levels.squares / (levels.samples * levels.channels))),
        silence=levels.silence(),
        loudness_lufs=levels.loudness(),
        cancels=levels.cancels,
        notes=sound_notes(levels.cancels, streams, stream.language or f"stream {stream.index}"),
    )


def sound_notes(cancels: bool, streams: Sequence[str], taken: str) -> tuple[str, ...]:
    """What a person should know of a sound: that its channels cancel out, which of several streams was taken."""
    notes = []
    if cancels:
        notes.append("its two channels are each other's opposites and cancel out; the left one is taken for the lips")
    if len(streams) > 1:
        notes.append(f"it has {len(streams)} audio streams ({', '.join(streams)}); {taken} is taken")
    return tuple(notes)


def _dbfs(level: float) -> float:
    return max(FLOOR_DBFS, 20 * math.log10(level)) if level > 0 else FLOOR_DBFS


class _Levels:
    """Running sums over a stream's blocks."""

    def __init__(self) -> None:
        self.rate = self.channels = self.samples = 0
        self.peak = self.squares = self._mean_squares = 0.0
        self._windows = self._quiet = 0
        self._rest = np.zeros(0, np.float32)
        self._meter: Any = None
        self._heard = FLOOR_LUFS

    def add(self, rate: int, block: F32) -> None:
        """(channels, n) float32 more of the stream."""
        self.rate, self.channels = rate, block.shape[0]
        self.peak = max(self.peak, float(np.abs(block).max(initial=0)))
        self.squares += float(np.square(block, dtype=np.float64).sum())
        self._mean_squares += float(np.square(block.mean(axis=0), dtype=np.float64).sum())
        mono = np.concatenate((self._rest, np.sqrt(np.square(block).mean(axis=0))))
        length = max(1, int(_WINDOW_S * rate))
        count = len(mono) // length
        means = np.square(mono[: count * length]).reshape(count, length).mean(axis=1)
        self._windows += count
        self._quiet += int((means < 10 ** (QUIET_DBFS / 10)).sum())
        self._rest = mono[count * length :].astype(np.float32)
        self._weigh(block)
        self.samples += block.shape[1]

    @property
    def cancels(self) -> bool:
        """Whether two channels are each other's opposites."""
        return cancel_out(self.channels, self.squares / max(1, self.channels), self._mean_squares)

    def silence(self) -> float:
        """Share of silent windows; of a stream shorter than one, whether it is silent."""
        if self._windows:
            return self._quiet / self._windows
        return float(np.square(self._rest).mean() < 10 ** (QUIET_DBFS / 10)) if len(self._rest) else 1.0

    def loudness(self) -> float | None:
        """LUFS of all so far."""
        return self._heard if self._heard > FLOOR_LUFS else None

    def _weigh(self, block: F32) -> None:
        layout = "mono" if len(block) == 1 else "stereo"
        self._meter = self._meter or _meter(self.rate, layout)
        _, source, sink = self._meter
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format="fltp", layout=layout)
        frame.sample_rate, frame.pts = self.rate, self.samples
        source.push(frame)
        for measured in _pulled(sink):
            self._heard = float(measured.metadata["lavfi.r128.I"])


def _meter(rate: int, layout: str) -> tuple[Any, Any, Any]:
    """An FFmpeg graph that measures by EBU R 128, and its ends; they do not keep the graph alive."""
    graph = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=rate, layout=layout, format="fltp", time_base=Fraction(1, rate))
    meter = graph.add("ebur128", "metadata=1")
    sink = graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    return graph, source, sink


def _pulled(sink: Any) -> Iterator[Any]:
    while True:
        try:
            yield sink.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
