"""Small media files whose frames prove where they came from."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from lipsync_ray.faces.sight import Sight
from lipsync_ray.media.loudness import LoudnessMeter

BITS = 12
CELL = 8


def all_visible(frames: int) -> Sight:
    """One scene in which nothing is before the mouth."""
    return Sight(np.zeros(frames, bool), np.zeros(frames, np.int32))


def barcode(index: int, width: int = 128, height: int = 64) -> np.ndarray:
    """(height, width, 3) uint8: `index` in black and white cells that survive any codec, on a grey gradient."""
    picture = np.empty((height, width, 3), np.uint8)
    picture[:] = np.linspace(60, 180, width, dtype=np.uint8)[None, :, None]
    for bit in range(BITS):
        picture[:16, bit * CELL : (bit + 1) * CELL] = 235 if index >> bit & 1 else 16
    return picture


def read_barcode(luma: np.ndarray) -> int:
    """The index that a frame's luma carries."""
    return sum(1 << bit for bit in range(BITS) if luma[4:12, bit * CELL + 2 : (bit + 1) * CELL - 2].mean() > 126)


def read_sound(path: Path) -> tuple[np.ndarray, int]:
    """(n,) float32 samples of a mono file, in [−1, 1], and their rate."""
    with av.open(str(path)) as container:
        samples = np.concatenate([frame.to_ndarray().ravel() for frame in container.decode(audio=0)])
        rate = container.streams.audio[0].rate
    return samples.astype(np.float32) / (1 if samples.dtype.kind == "f" else np.iinfo(samples.dtype).max), rate


def write_video(
    path: Path,
    pictures,
    rate: Fraction = Fraction(25),
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    stamps: list[int] | None = None,
    rotation: int = 0,
    time_base: Fraction | None = None,
) -> Path:
    """Encode (h, w, 3) uint8 RGB pictures; `stamps` are their times in units of `time_base` (1/rate by default)."""
    with av.open(str(path), "w") as container:
        stream = None
        for number, picture in enumerate(pictures):
            if stream is None:
                stream = container.add_stream(codec, rate=rate, options=options or {})
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = pix_fmt
                if time_base:
                    stream.codec_context.time_base = time_base
                if rotation:
                    stream.set_display_rotation(rotation)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts = stamps[number] if stamps else number
            frame.time_base = time_base or 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def woven(fields, top_first: bool = True) -> list[np.ndarray]:
    """(h, w) uint8 frames of pairs of (h, w) uint8 pictures: of each, the lines of its field."""
    frames = []
    for first, second in zip(fields[::2], fields[1::2], strict=True):
        frame = first.copy()
        frame[top_first::2] = second[top_first::2]
        frames.append(frame)
    return frames


def write_fields(
    path: Path,
    fields,
    codec: str = "libx264",
    rate: Fraction = Fraction(25),
    top_first: bool = True,
    stamps: list[int] | None = None,
    progressive: range = range(0),
    pix_fmt: str = "yuv420p",
) -> Path:
    """Encode (h, w) uint8 luma as interlaced frames of two each; `stamps` are the frames' times in units of 1/rate.

    Frames numbered in `progressive` are flagged as such, and consist of their first field's picture alone.
    """
    name = "tff" if top_first else "bff"
    own = (
        {"x264-params": f"{name}=1:fake-interlaced=1:keyint=7"}
        if len(progressive)
        else {"x264-params": f"{name}=1:keyint=7"}
    )
    own = own | {"crf": "8"} if codec == "libx264" else {"q": "2", "g": "7"} if codec == "mpeg2video" else {}
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options={"flags": "+ildct+ilme"} | own)
        stream.height, stream.width = fields[0].shape
        stream.pix_fmt = pix_fmt
        if codec == "mpeg2video":
            stream.bit_rate = 8_000_000
        graph = av.filter.Graph()
        source = graph.add_buffer(width=stream.width, height=stream.height, format=pix_fmt, time_base=1 / rate)
        graph.link_nodes(source, graph.add("setfield", name), graph.add("buffersink")).configure()
        for number, luma in enumerate(woven(fields, top_first)):
            luma = fields[2 * number] if number in progressive else luma
            frame = av.VideoFrame.from_ndarray(luma, format="gray").reformat(
                format=pix_fmt, src_color_range=1, dst_color_range=1
            )
            frame.pts, frame.time_base = stamps[number] if stamps else number, 1 / rate
            if number not in progressive:
                graph.push(frame)
                frame = graph.pull()
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_audio(path: Path, samples: np.ndarray, rate: int = 16_000, codec: str = "pcm_s16le") -> Path:
    """(n,) or (channels, n) float32."""
    samples = np.atleast_2d(samples).astype(np.float32)
    layout = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}[len(samples)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        for start in range(0, samples.shape[1], 1024):
            # Packed: PyAV makes no frame of eight planes.
            block = np.ascontiguousarray(samples[:, start : start + 1024].T.reshape(1, -1))
            frame = av.AudioFrame.from_ndarray(block, format="flt", layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def tone(seconds: float, rate: int = 16_000, hertz: float = 220.0) -> np.ndarray:
    """(n,) float32 sine of half amplitude."""
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def write_both(
    path: Path,
    pictures,
    samples: np.ndarray,
    rate: int = 48_000,
    codec: str = "libx264",
    sound_codec: str = "aac",
    options: dict[str, str] | None = None,
    video_from: Fraction = Fraction(0),
    sound_from: Fraction = Fraction(0),
    language: str | None = None,
) -> Path:
    """Pictures at 25 a second, and (n,) samples, each beginning at its own time (in seconds)."""
    with av.open(str(path), "w") as container:
        video = container.add_stream(codec, rate=25, options=options or {})
        video.height, video.width, video.pix_fmt = *pictures[0].shape[:2], "yuv420p"
        sound = container.add_stream(sound_codec, rate=rate, layout="mono")
        if language:
            sound.metadata["language"] = language
        packets = []
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = number + round(video_from * 25), Fraction(1, 25)
            packets += video.encode(frame)
        packets += video.encode(None)
        size = 1024
        for start in range(0, len(samples), size):
            block = np.ascontiguousarray(samples[None, start : start + size], np.float32)
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
            frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
            frame.pts = start + round(sound_from * rate)
            packets += sound.encode(frame)
        packets += sound.encode(None)
        for packet in sorted(packets, key=lambda p: p.dts * p.time_base):
            container.mux(packet)
    return path


def click(at_s: float, seconds: float, rate: int = 48_000) -> np.ndarray:
    """(n,) float32: silence, and 20 ms of a loud tone at a time."""
    times = np.arange(round(seconds * rate)) / rate
    tone_ = 0.9 * np.sin(2 * np.pi * 1000 * times)
    return np.where((times >= at_s) & (times < at_s + 0.02), tone_, 0).astype(np.float32)


def noise(rng: np.random.Generator, seconds: float, rate: int = 16_000) -> np.ndarray:
    """(n,) float32 of speech-like level."""
    return (0.1 * rng.standard_normal(round(seconds * rate))).astype(np.float32)


def loudness_of(rate: int, blocks) -> float | None:
    """LUFS of (n_i,) float32 pieces of a mono sound, gated relative to its own loudest moment; None of silence."""
    meter = LoudnessMeter()
    for block in blocks:
        meter.add(rate, block[None])
    return meter.loudness(absolute=None)
