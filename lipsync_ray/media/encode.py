"""Encodes pictures as an H.264 mp4 in memory, with timestamps that are exact multiples of one frame."""

from __future__ import annotations

import io
import platform
from collections.abc import Iterable
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np

from lipsync_ray.errors import EncodeError
from lipsync_ray.media.choices import VideoCoding
from lipsync_ray.media.picture import YuvFrame

# x264's result depends on its number of threads; a constant keeps a video the same on every machine.
ENCODER_THREADS = 2
# The AVX-512 code of x264 (core 165, as bundled in PyAV 18.1) reads uninitialised memory in its macroblock tree if the
# width is not a multiple of 128: the same pictures then give other bytes and pixels in each process (up to 17 grey
# levels). Without AVX-512 the result is deterministic, at the same size and speed: 0.999 to 1.001 × the bytes at equal
# PSNR, 0.8 to 1.0 × the time on five real videos. `mbtree=0` helps too, for 1.00 to 1.18 × the bytes; `asm=0` does not
# (three of ten sizes still differ). 64-bit ARM code is unaffected (run under emulation, with and without SVE). All by
# benchmarks/encoder.py. No other instruction set changes a byte: SSE4.2 and AVX2 give the same.
_WITHOUT_AVX512 = "asm=MMX2,SSE2Fast,SSSE3,SSE4.2,AVX,FMA3,BMI2,AVX2"
_WITHOUT_TREE = "mbtree=0"  # if the features of an x86 processor are unknown
_CPU_INFO = Path("/proc/cpuinfo")


def encode(
    pictures: Iterable[YuvFrame], rate: Fraction, pixel_aspect: Fraction, coding: VideoCoding, sets_id: int = 0
) -> bytes:
    """Encode pictures to an mp4 with one H.264 4:2:0 stream that has their colour tags.

    Parameters
    ----------
    sets_id : id of its parameter sets, 0 to 31; beside packets of another encoder they need one of their own

    Raises
    ------
    EncodeError : no pictures, or the encoder refuses them
    """
    buffer = io.BytesIO()
    stream: Any = None
    try:
        with av.open(buffer, "w", format="mp4") as container:
            for index, picture in enumerate(pictures):
                if stream is None:
                    stream = _stream(container, picture, rate, pixel_aspect, coding, sets_id)
                container.mux(stream.encode(_frame(picture, index, rate)))
            if stream is None:
                raise EncodeError("a part without pictures")
            container.mux(stream.encode(None))
    except av.error.FFmpegError as error:
        raise EncodeError(f"H.264 at {rate} frames/s: {error}") from error
    return buffer.getvalue()


@cache
def x264_parameters() -> str:
    """`x264-params` that make x264 deterministic on this machine; empty if it already is."""
    if platform.machine().lower() not in {"x86_64", "amd64", "i686", "i386"}:
        return ""
    try:
        flags = {
            word for line in _CPU_INFO.read_text().splitlines() if line.startswith("flags") for word in line.split()
        }
    except OSError:
        return _WITHOUT_TREE
    return _WITHOUT_AVX512 if any(flag.startswith("avx512") for flag in flags) else ""


def _stream(
    container: Any, picture: YuvFrame, rate: Fraction, pixel_aspect: Fraction, coding: VideoCoding, sets_id: int
) -> Any:
    options = {"crf": f"{coding.crf:g}", "preset": coding.preset}
    parameters = [x264_parameters(), f"sps-id={sets_id}" if sets_id else ""]
    if any(parameters):
        options["x264-params"] = ":".join(filter(None, parameters))
    stream = container.add_stream("libx264", rate=rate, options=options)
    stream.width, stream.height, stream.pix_fmt = picture.width, picture.height, "yuv420p"
    context = stream.codec_context
    context.time_base = 1 / rate
    context.thread_count = ENCODER_THREADS
    context.sample_aspect_ratio = pixel_aspect
    colour = picture.colour
    context.color_range = colour.range
    context.colorspace = colour.matrix
    context.color_primaries = colour.primaries
    context.color_trc = colour.transfer
    return stream


def _frame(picture: YuvFrame, index: int, rate: Fraction) -> Any:
    frame = av.VideoFrame(picture.width, picture.height, "yuv420p")
    for plane, source in zip(frame.planes, (picture.y, picture.u, picture.v), strict=True):
        rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
        rows[:, : plane.width] = source
    frame.pts, frame.time_base = index, 1 / rate
    frame.color_range, frame.colorspace = picture.colour.range, picture.colour.matrix
    return frame
