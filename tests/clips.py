"""Small media files whose frames prove where they came from."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

BITS = 12
CELL = 8


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


def write_audio(path: Path, samples: np.ndarray, rate: int = 16_000, codec: str = "pcm_s16le") -> Path:
    """(n,) or (channels, n) float32."""
    samples = np.atleast_2d(samples).astype(np.float32)
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[len(samples)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        for start in range(0, samples.shape[1], 1024):
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(samples[:, start : start + 1024]), format="fltp", layout=layout
            )
            frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def tone(seconds: float, rate: int = 16_000, hertz: float = 220.0) -> np.ndarray:
    """(n,) float32 sine of half amplitude."""
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)
