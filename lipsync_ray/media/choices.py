"""Options of decoding, looping and encoding media files. Imports no library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Decoder = Literal["cpu", "cuda"]
"""Decoder of pictures: "cpu" for FFmpeg's own; "cuda" for NVDEC, with FFmpeg's for codecs that it lacks."""
Deinterlace = Literal["estdif", "bwdif", "bwdif-fields"]
"""How interlaced frames become progressive (:mod:`lipsync_ray.media.deinterlace`); "bwdif-fields" makes two of each."""
Untouched = Literal["encode", "copy"]
"""What becomes of groups of pictures in which nothing is drawn: encoded as all others, or copied from the source."""
Loop = Literal["pingpong", "restart", "freeze"]
Fit = Literal["cut", "stretch", "overlap"]
"""How to treat a line that is longer than its slot."""
AudioCodec = Literal["aac", "opus", "flac", "pcm"]
VoiceChannel = Literal["stereo", "center", "center-only"]
"""Where the voice goes: "stereo", at most two channels; "center" of a background of 5.1 or 7.1 channels, added to what is
there, or in its place."""
Corner = Literal["top-left", "top-right", "bottom-left", "bottom-right"]
Preset = Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"]


Codec = Literal["h264", "hevc", "av1", "prores", "ffv1", "h264_nvenc", "hevc_nvenc"]
Container = Literal["mp4", "mov", "mkv", "webm"]


def deciding(how: Deinterlace) -> tuple[str, ...]:
    """What a key of pictures has of it: nothing by default, so that keys of earlier versions stay."""
    return () if how == "estdif" else (how,)


@dataclass(frozen=True)
class VideoCoding:
    """Settings of the encoder. What is None is decided by the codec: :mod:`lipsync_ray.media.codecs`.

    Attributes
    ----------
    crf : constant quality on the codec's own scale; smaller is better
    preset : speed, in x264's words
    codec : of the pictures; None for what is usual in the container
    container : of the finished video
    """

    crf: float | None = None
    preset: Preset | None = None
    codec: Codec | None = None
    container: Container | None = None
