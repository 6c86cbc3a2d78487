"""Options of decoding, looping and encoding media files. Imports no library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Decoder = Literal["cpu", "cuda"]
"""Decoder of pictures: "cpu" for FFmpeg's own; "cuda" for NVDEC, with FFmpeg's for codecs that it lacks."""
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


@dataclass(frozen=True)
class VideoCoding:
    """Settings of the H.264 encoder.

    Attributes
    ----------
    crf : x264's constant rate factor: 0 is lossless, 18 looks like the source, 23 is x264's own default
    preset : x264's speed
    """

    crf: float = 18.0
    preset: Preset = "veryfast"
