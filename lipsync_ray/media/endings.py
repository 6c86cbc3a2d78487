"""Detects truncated sound by marks in the file that FFmpeg does not report."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from lipsync_ray.io import storage

_HEAD, _TAIL = 65536, 65536 * 2  # bytes that are read; an Ogg page has 65,307 at most
_LEAST_S = Fraction(3, 10)  # shorter differences are rounding, encoder delay or tags
_EARLY = Fraction(1, 20)  # of the length in the header
_UNKNOWN = {0, 0xFFFFFFFF, 0x7FFFFFFF}  # written by a streaming recorder
_OGG_END = 4
_MP3_KBITS = {
    1: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MP3_HZ = (44100, 48000, 32000)


def cut_off(url: str, container: Any, stream: Any, decoded_s: Fraction) -> str | None:
    """One sentence if a sound was cut off, or its header has another length; None if it is complete or unknown.

    Parameters
    ----------
    container, stream : open; at the start or at the end: remaining packets are read here
    decoded_s : seconds of decoded sound
    """
    kind = container.format.name
    if kind in ("wav", "w64"):
        return _of_wave(url)
    if kind == "ogg":
        return None if _whole_ogg(url) else _in_the_middle(decoded_s)
    if kind in ("mp3", "aac"):
        last = b""
        for packet in container.demux(stream):
            last = bytes(packet) if packet.size else last
        wanted = _mp3_bytes(last) if kind == "mp3" else _adts_bytes(last)
        return _in_the_middle(decoded_s) if wanted > len(last) else None
    if stream.duration:
        declared = Fraction(stream.duration * stream.time_base)
        return _early(declared, decoded_s) if declared - decoded_s > max(_LEAST_S, declared * _EARLY) else None
    return None


def _early(declared: Fraction, ends: Fraction) -> str:
    return f"its header says {float(declared):.2f} s of sound, it ends at {float(ends):.2f} s: is it cut off?"


def _in_the_middle(ends: Fraction) -> str:
    return f"its sound ends in the middle of its data, at {float(ends):.2f} s: is it cut off?"


def _of_wave(url: str) -> str | None:
    """Check the length of the data chunk."""
    size = storage.size(url)
    rate = 0
    for name, start, length in _chunks(storage.read_bytes(url, 0, min(_HEAD, size))):
        if name == b"fmt ":
            rate = length[1]
        elif name == b"data" and rate and (declared := length[0]) not in _UNKNOWN:
            there = size - start
            if declared - there > max(_LEAST_S, Fraction(declared, rate) * _EARLY) * rate:
                return _early(Fraction(declared, rate), Fraction(there, rate))
            behind = storage.read_bytes(url, start + declared, 8) if there - declared > _LEAST_S * rate else b""
            if behind and not _is_chunk(behind, there - declared):
                more = Fraction(there - declared, rate)
                return (
                    f"its header says {float(Fraction(declared, rate)):.2f} s of sound, {float(more):.2f} s more are "
                    "in the file and are not played: is the header wrong?"
                )
    return None


def _chunks(head: bytes) -> Iterator[tuple[bytes, int, tuple[int, int]]]:
    """(name, start, (length, bytes per second for the format chunk)) of the chunks at the beginning of a RIFF file."""
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return  # RF64 and W64 store lengths elsewhere, and FFmpeg respects them
    at = 12
    while at + 8 <= len(head):
        name, length = head[at : at + 4], struct.unpack_from("<I", head, at + 4)[0]
        rate = struct.unpack_from("<I", head, at + 16)[0] if name == b"fmt " and at + 20 <= len(head) else 0
        yield name, at + 8, (length, rate)
        at += 8 + length + length % 2


def _is_chunk(head: bytes, left: int) -> bool:
    """Whether another chunk begins there, so that the samples end before it."""
    head = head[1:] + b"\0" if head[:1] == b"\0" else head  # padding after an odd length
    return bool(re.match(rb"[A-Za-z_][\w -]{3}", head)) and struct.unpack("<I", head[4:8])[0] <= left


def _whole_ogg(url: str) -> bool:
    """Whether the last page is complete and flagged as the last."""
    size = storage.size(url)
    tail = storage.read_bytes(url, max(0, size - _TAIL), min(_TAIL, size))
    at = tail.rfind(b"OggS")
    if at < 0 or at + 27 > len(tail):
        return False
    lengths = tail[at + 27 : at + 27 + tail[at + 26]]
    return (
        bool(tail[at + 5] & _OGG_END)
        and len(lengths) == tail[at + 26]
        and at + 27 + len(lengths) + sum(lengths) <= len(tail)
    )


def _mp3_bytes(frame: bytes) -> int:
    """Bytes that a frame of MPEG layer III should have, by its header; 0 if it is not one."""
    if len(frame) < 4 or frame[0] != 0xFF or frame[1] >> 5 != 7 or frame[1] >> 1 & 3 != 1:
        return 0
    version, rate, bits = frame[1] >> 3 & 3, frame[2] >> 2 & 3, frame[2] >> 4
    if rate == 3 or bits in (0, 15) or version == 1:
        return 0
    first = version == 3
    hertz = _MP3_HZ[rate] >> (0 if first else 1 if version == 2 else 2)
    kbits = _MP3_KBITS[1 if first else 2][bits]
    return (144 if first else 72) * kbits * 1000 // hertz + (frame[2] >> 1 & 1)


def _adts_bytes(frame: bytes) -> int:
    """Bytes that a frame of AAC in ADTS should have, by its header; 0 if it is not one."""
    if len(frame) < 7 or frame[0] != 0xFF or frame[1] >> 4 != 15:
        return 0
    return (frame[3] & 3) << 11 | frame[4] << 3 | frame[5] >> 5
