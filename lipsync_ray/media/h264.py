"""H.264 as containers hold it: NAL units, parameter sets, and the header (avcC) of an mp4's stream.

A video of two encoders needs the parameter sets of both in its header, with different ids. All is by ITU-T H.264, 7.3, and
ISO/IEC 14496-15, 5.3.3.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lipsync_ray.errors import DecodeError
from lipsync_ray.media.sequence_set import LONG, Bits, SequenceSet

IDR, SEQUENCE_SET, PICTURE_SET, DELIMITER, FILLER = 5, 7, 8, 9, 12
LENGTH = 4  # bytes of the length before each NAL unit in the mp4s that are written here
IDS = range(1, 32)  # of sequence parameter sets beside others; 0 is for those that stand alone
_START = b"\0\0\1"


def kind(unit: bytes) -> int:
    """The type of a NAL unit."""
    return unit[0] & 31


def units(data: bytes, length: int) -> Iterator[bytes]:
    """The NAL units of a packet.

    Parameters
    ----------
    length : bytes of the length before each; 0 where start codes are between them

    Raises
    ------
    DecodeError : they do not fill the packet
    """
    if not length:
        yield from _between_start_codes(data)
        return
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + length], "big")
        at += length
        if not size or at + size > len(data):
            raise DecodeError("a packet whose NAL units do not fill it")
        yield data[at : at + size]
        at += size


def _between_start_codes(data: bytes) -> Iterator[bytes]:
    at = data.find(_START)
    while at >= 0:
        begin = at + len(_START)
        at = data.find(_START, begin)
        unit = data[begin : at if at >= 0 else len(data)].rstrip(b"\0")  # the next code's first zero, and padding
        if unit:
            yield unit


def packed(data: bytes, length: int) -> bytes:
    """A packet with a length of four bytes before each NAL unit; itself where it is so.

    Others lose what an mp4 has in its header, or not at all: parameter sets, delimiters and filler.

    Parameters
    ----------
    length : as for :func:`units`
    """
    if length == LENGTH:
        return data
    dropped = {SEQUENCE_SET, PICTURE_SET, DELIMITER, FILLER}
    kept = (unit for unit in units(data, length) if kind(unit) not in dropped)
    return b"".join(len(unit).to_bytes(LENGTH, "big") + unit for unit in kept)


@dataclass(frozen=True)
class ParameterSets:
    """The parameter sets of a stream.

    Attributes
    ----------
    sequence, picture : NAL units
    length : of its packets, as for :func:`units`
    """

    sequence: tuple[bytes, ...]
    picture: tuple[bytes, ...]
    length: int = LENGTH

    @classmethod
    def of(cls, extradata: bytes | None) -> ParameterSets:
        """From a stream's extradata: an avcC, or units between start codes.

        Raises
        ------
        DecodeError : it is damaged, or there is none
        """
        data = extradata or b""
        if data[:1] != b"\1":
            found = tuple(dict.fromkeys(_between_start_codes(data)))
            sequence, picture = (tuple(u for u in found if kind(u) == one) for one in (SEQUENCE_SET, PICTURE_SET))
            header = cls(sequence, picture, 0)
        else:
            sequence, at = _listed(data, 5, 31)
            picture, _ = _listed(data, at, 255)
            header = cls(sequence, picture, (data[4] & 3) + 1)
        if not header.sequence or not header.picture:
            raise DecodeError("a header without parameter sets")
        return header

    @property
    def parsed(self) -> tuple[SequenceSet, ...]:
        return tuple(SequenceSet.of(unit) for unit in self.sequence)

    @property
    def units(self) -> frozenset[bytes]:
        """All of them, without padding behind."""
        return frozenset(unit.rstrip(b"\0") for unit in (*self.sequence, *self.picture))

    @property
    def ids(self) -> frozenset[int]:
        """Of sequence and of picture parameter sets."""
        return frozenset(one.ident for one in self.parsed) | frozenset(Bits(unit).golomb() for unit in self.picture)

    @property
    def free_id(self) -> int | None:
        """The smallest id for parameter sets of another encoder; None where all are taken."""
        return min(set(IDS) - self.ids, default=None)

    def only(self, ident: int) -> ParameterSets:
        """Its sets with this id, of the sequence as of pictures.

        Raises
        ------
        DecodeError : there are none
        """
        sequence = tuple(unit for unit in self.sequence if SequenceSet.of(unit).ident == ident)
        picture = tuple(unit for unit in self.picture if Bits(unit).golomb() == ident)
        if not sequence or not picture:
            raise DecodeError(f"a header without parameter sets of id {ident}")
        return ParameterSets(sequence, picture)

    def avcc(self) -> bytes:
        """The header of an mp4's stream: the profile that includes all of them, what all of them promise, the highest level."""
        parsed = self.parsed
        profile, level = max(one.profile for one in parsed), max(one.level for one in parsed)
        promised = 0xFF
        for one in parsed:
            promised &= one.constraints
        out = bytes([1, profile, promised, level, 0xFC | (LENGTH - 1), 0xE0 | len(self.sequence)])
        out += _written(self.sequence) + bytes([len(self.picture)]) + _written(self.picture)
        return out + (b"\xfd\xf8\xf8\0" if profile in LONG else b"")  # 4:2:0, 8 bits, no extensions


def _listed(data: bytes, at: int, mask: int) -> tuple[tuple[bytes, ...], int]:
    """A counted list of units in an avcC, and where it ends."""
    if at >= len(data):
        raise DecodeError("a header that ends early")
    count, at, out = data[at] & mask, at + 1, []
    for _ in range(count):
        size = int.from_bytes(data[at : at + 2], "big")
        unit, at = data[at + 2 : at + 2 + size], at + 2 + size
        if not unit or len(unit) < size:
            raise DecodeError("a header that ends early")
        out.append(unit)
    return tuple(out), at


def _written(sets: Iterable[bytes]) -> bytes:
    return b"".join(len(unit).to_bytes(2, "big") + unit for unit in sets)


def merged(headers: Iterable[ParameterSets]) -> bytes:
    """The avcC of a video of several encoders, whose ids differ."""
    each = list(headers)
    sequence, picture = (tuple(unit for one in each for unit in getattr(one, name)) for name in ("sequence", "picture"))
    return ParameterSets(sequence, picture).avcc()
