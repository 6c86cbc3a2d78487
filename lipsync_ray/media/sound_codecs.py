"""Which sound a container can hold, and how it is encoded. A container that is written has a row here. Imports no library."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lipsync_ray.media.choices import AudioCodec


@dataclass(frozen=True)
class SoundEncoder:
    """An encoder of FFmpeg.

    Attributes
    ----------
    name : FFmpeg's
    rates : that it takes, in Hz; empty: all
    stereo_bits, surround_bits : bits/s of a channel, of up to two channels and of more; 0 where it loses nothing
    depth : bits of a sample where it loses nothing; 0 otherwise
    """

    name: str
    rates: tuple[int, ...] = ()
    stereo_bits: int = 0
    surround_bits: int = 0
    depth: int = 0

    @property
    def lossless(self) -> bool:
        return self.depth > 0

    def rate(self, wanted: int) -> int:
        """The sample rate that a sound of another one is encoded at."""
        return wanted if not self.rates or wanted in self.rates else 48_000

    def bit_rate(self, channels: int) -> int:
        """Bits/s; 0 where it loses nothing."""
        return channels * (self.stereo_bits if channels <= 2 else self.surround_bits)


_AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
_OPUS_RATES = (8000, 12000, 16000, 24000, 48000)
ENCODERS: Mapping[AudioCodec, SoundEncoder] = {
    "aac": SoundEncoder("aac", _AAC_RATES, 96_000, 80_000),
    "opus": SoundEncoder("libopus", _OPUS_RATES, 80_000, 64_000),
    "flac": SoundEncoder("flac", depth=24),
    "pcm": SoundEncoder("pcm_s24le", depth=24),
}


@dataclass(frozen=True)
class SoundAbilities:
    """What a container can hold.

    Attributes
    ----------
    encoded : codecs that are written into it
    copied : codecs, by FFmpeg's name, whose packets are copied into it
    usual : codec where none is asked for
    """

    encoded: frozenset[AudioCodec]
    copied: frozenset[str]
    usual: AudioCodec = "aac"


_PCM = ("pcm_s16le", "pcm_s24le", "pcm_s32le")
ABILITIES: Mapping[str, SoundAbilities] = {
    # No PCM: FFmpeg 5.1 decodes what is written by ISO/IEC 23003-5 as noise.
    "mp4": SoundAbilities(
        frozenset({"aac", "opus", "flac"}), frozenset({"aac", "mp3", "ac3", "eac3", "opus", "flac", "alac"})
    ),
    "mov": SoundAbilities(frozenset({"aac", "pcm"}), frozenset({"aac", "mp3", "ac3", "eac3", "alac", *_PCM})),
    "mkv": SoundAbilities(
        frozenset({"aac", "opus", "flac", "pcm"}),
        frozenset({"aac", "mp3", "ac3", "eac3", "opus", "flac", "alac", "vorbis", "dts", *_PCM}),
    ),
    "webm": SoundAbilities(frozenset({"opus"}), frozenset({"opus", "vorbis"}), "opus"),
}


def codec_in(container: str, asked: AudioCodec | None) -> AudioCodec:
    """The codec of a sound in a container: what is asked for, or its usual one."""
    return asked or ABILITIES[container].usual


def may_copy(codec: str, container: str = "mp4") -> bool:
    """Whether a container can hold packets of this audio codec, by FFmpeg's name of it."""
    return codec in ABILITIES[container].copied
