"""Encodes pictures as a part in memory, with timestamps that are exact multiples of one frame."""

from __future__ import annotations

import io
import os
import platform
from collections.abc import Iterable
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np

from lipsync_ray.errors import EncodeError, SettingsError
from lipsync_ray.media.choices import VideoCoding
from lipsync_ray.media.codecs import CodecSpec, codec_of, decided, spec_of
from lipsync_ray.media.light import HdrLight
from lipsync_ray.media.native import NativePicture, plain_samples
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
_MUXING = {"fflags": "+bitexact"}  # of Matroska, which has random ids otherwise
_X265_DELAY = 2  # pictures by which x265 decodes ahead, whatever it is given
_BT601 = 5  # swscale's matrix; the same one on both sides applies none


def encode(
    pictures: Iterable[YuvFrame],
    rate: Fraction,
    pixel_aspect: Fraction,
    coding: VideoCoding,
    light: HdrLight | None = None,
    sets_id: int = 0,
) -> bytes:
    """Encode pictures to a file with one stream that has their colour tags.

    Pictures with samples of their own are encoded as these, with what was drawn into the pictures.

    Parameters
    ----------
    light : of HDR pictures
    sets_id : id of H.264's parameter sets, 0 to 31; beside packets of another encoder they need one of their own

    Raises
    ------
    EncodeError : no pictures, or the encoder refuses them
    """
    buffer = io.BytesIO()
    stream: Any = None
    written = 0
    spec = spec_of(coding)
    try:
        muxing = _MUXING if spec.part == "matroska" else {}
        with av.open(buffer, "w", format=spec.part, options=muxing) as container:
            for index, picture in enumerate(pictures):
                samples = (
                    picture.native.with_changes(picture) if picture.native is not None else plain_samples(picture, spec)
                )
                if stream is None:
                    stream = _stream(container, samples, rate, pixel_aspect, decided(coding), light, sets_id)
                frame = _frame(samples, index, rate)
                if frame.format.name != stream.pix_fmt:
                    frame = _reformatted(frame, stream.pix_fmt)
                written = _mux(container, stream.encode(frame), written, spec)
            if stream is None:
                raise EncodeError("a part without pictures")
            _mux(container, stream.encode(None), written, spec)
    except (av.error.FFmpegError, av.codec.codec.UnknownCodecError) as error:
        hint = "; is there a card with NVENC? --codec h264 or hevc needs none" if spec.nvenc else ""
        raise EncodeError(f"{spec.title} at {rate} frames/s: {error}{hint}") from error
    return buffer.getvalue()


def check_encoder(coding: VideoCoding) -> None:
    """Check that FFmpeg has a codec's encoder; whether a card has it is seen by the worker that uses it.

    Raises
    ------
    SettingsError
    """
    spec = spec_of(coding)
    try:
        av.codec.Codec(spec.encoder, "w")
    except av.codec.codec.UnknownCodecError:
        raise SettingsError(
            f"--codec {codec_of(coding)}: FFmpeg of this PyAV ({av.__version__}) has no {spec.encoder}; PyAV's wheels have it, or choose "
            "another codec"
        ) from None


def _mux(container: Any, packets: list[Any], written: int, spec: CodecSpec) -> int:
    """Write packets; return how many are written by then.

    Of one or two pictures x265 (4.2) gives random decoding times: it has them of pictures to come.
    """
    for packet in packets:
        if spec.encoder == "libx265":
            packet.dts = written - _X265_DELAY
        written += 1
        container.mux(packet)
    return written


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


def _options(coding: VideoCoding, pixel_format: str, light: HdrLight | None, sets_id: int) -> dict[str, str]:
    """The encoder's options.

    Parameters
    ----------
    coding : decided
    """
    spec, crf = spec_of(coding), f"{coding.crf:g}" if coding.crf is not None else ""
    preset = spec.presets[coding.preset] if coding.preset is not None else ""
    if spec.encoder == "libx264":
        parameters = ":".join(filter(None, [x264_parameters(), f"sps-id={sets_id}" if sets_id else ""]))
        return {"crf": crf, "preset": preset} | ({"x264-params": parameters} if parameters else {})
    if spec.encoder == "libx265":
        # One thread and no frame threads: the result depends on neither the machine nor the moment.
        one = ["pools=none", "frame-threads=1", "log-level=error", *(light.x265() if light is not None else ())]
        return {"crf": crf, "preset": preset, "x265-params": ":".join(one)}
    if spec.encoder == "libsvtav1":
        os.environ.setdefault("SVT_LOG", "1")  # errors alone: it would print its settings for every part
        one = ["lp=1", *(light.svt() if light is not None else ())]
        return {"crf": crf, "preset": preset, "svtav1-params": ":".join(one)}
    if spec.encoder == "prores_ks":
        alpha = {"alpha_bits": "16"} if pixel_format.startswith("yuva") else {}
        return {"profile": "4444" if "444" in pixel_format else "hq", "vendor": "apl0"} | alpha
    if spec.encoder == "ffv1":
        return {"level": "3", "g": "1", "slicecrc": "1"}
    return {"preset": preset, "rc": "vbr", "cq": crf, "b": "0", "tune": "hq"}


def _stream(
    container: Any,
    samples: NativePicture,
    rate: Fraction,
    pixel_aspect: Fraction,
    coding: VideoCoding,
    light: HdrLight | None,
    sets_id: int,
) -> Any:
    spec, name = spec_of(coding), samples.format
    stream = container.add_stream(spec.encoder, rate=rate, options=_options(coding, name, light, sets_id))
    (stream.height, stream.width), stream.pix_fmt = samples.planes[0].shape, spec.fed.get(name, name)
    context = stream.codec_context
    context.time_base = 1 / rate
    context.thread_count = ENCODER_THREADS if spec.encoder == "libx264" else 1
    context.sample_aspect_ratio = pixel_aspect
    if spec.tag:
        context.codec_tag = spec.tag
    colour = samples.colour
    context.color_range = colour.range
    context.colorspace = colour.matrix
    context.color_primaries = colour.primaries
    context.color_trc = colour.transfer
    return stream


def _frame(samples: NativePicture, index: int, rate: Fraction) -> Any:
    height, width = samples.planes[0].shape
    colour = samples.colour
    frame = av.VideoFrame(width, height, samples.format)
    for plane, source in zip(frame.planes, samples.planes, strict=True):
        rows = np.frombuffer(plane, source.dtype).reshape(plane.height, plane.line_size // source.itemsize)
        rows[:, : plane.width] = source
    frame.pts, frame.time_base = index, 1 / rate
    frame.color_range, frame.colorspace = colour.range, colour.matrix
    frame.color_primaries, frame.color_trc = colour.primaries, colour.transfer
    return frame


def _reformatted(frame: Any, name: str) -> Any:
    """A frame in another format, its levels unchanged."""
    level = max(1, int(frame.color_range))
    out = frame.reformat(
        format=name, src_colorspace=_BT601, dst_colorspace=_BT601, src_color_range=level, dst_color_range=level
    )
    out.pts, out.time_base = frame.pts, frame.time_base
    out.color_range, out.colorspace = frame.color_range, frame.colorspace
    out.color_primaries, out.color_trc = frame.color_primaries, frame.color_trc
    return out
