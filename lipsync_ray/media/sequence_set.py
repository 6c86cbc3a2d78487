"""Reads sequence parameter sets of H.264 (ITU-T H.264, 7.3.2.1): profile, size, and what decides whether packets can be copied."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from lipsync_ray.errors import DecodeError

BASELINE, MAIN, HIGH = 66, 77, 100
_CONSTRAINED = 0x40  # constraint_set1_flag: of Baseline, without what Main lacks
# Profiles whose sets tell the chroma format
LONG = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
_ASPECTS = (
    (0, 1), (1, 1), (12, 11), (10, 11), (16, 11), (40, 33), (24, 11), (20, 11), (32, 11), (80, 33), (18, 11), (15, 11),
    (64, 33), (160, 99), (4, 3), (3, 2), (2, 1),
)  # fmt: skip


class Bits:
    """Reads a NAL unit's payload bit by bit."""

    def __init__(self, unit: bytes) -> None:
        payload = unit.replace(b"\0\0\3", b"\0\0")
        self._bits = "".join(f"{byte:08b}" for byte in payload)
        self._at = 8  # behind the unit's own header

    def take(self, count: int) -> int:
        at, self._at = self._at, self._at + count
        if self._at > len(self._bits):
            raise DecodeError("a parameter set that ends early")
        return int(self._bits[at : self._at] or "0", 2)

    def golomb(self) -> int:
        """An unsigned number in Exp-Golomb code."""
        zeros = 0
        while not self.take(1):
            zeros += 1
        return (1 << zeros) - 1 + self.take(zeros)

    def signed(self) -> int:
        """A signed one."""
        code = self.golomb()
        return (code + 1) // 2 if code % 2 else -(code // 2)


@dataclass(frozen=True)
class SequenceSet:
    """What a sequence parameter set says.

    Attributes
    ----------
    ident : by which picture parameter sets name it
    profile, constraints, level : as in its first bytes
    plain : 8-bit 4:2:0
    frames_only : no picture is a field, nor a macroblock of one
    width, height : pixels to be shown
    aspect : of a pixel, width over height; None where it is not told
    """

    ident: int
    profile: int
    constraints: int
    level: int
    plain: bool
    frames_only: bool
    width: int
    height: int
    aspect: Fraction | None

    @classmethod
    def of(cls, unit: bytes) -> SequenceSet:
        """Parse a NAL unit.

        Raises
        ------
        DecodeError : it is damaged
        """
        bits = Bits(unit)
        profile, constraints, level = bits.take(8), bits.take(8), bits.take(8)
        ident = bits.golomb()
        chroma, depths = 1, (0, 0)
        if profile in LONG:
            chroma = bits.golomb()
            if chroma == 3:
                bits.take(1)
            depths = bits.golomb(), bits.golomb()
            bits.take(1)
            if bits.take(1):
                _skip_scaling(bits, 8 if chroma != 3 else 12)
        bits.golomb()  # log2_max_frame_num
        _skip_order(bits)
        bits.golomb()  # max_num_ref_frames
        bits.take(1)
        columns, rows = bits.golomb() + 1, bits.golomb() + 1
        frames_only = bool(bits.take(1))
        if not frames_only:
            bits.take(1)
        bits.take(1)
        left, right, top, bottom = (bits.golomb() for _ in range(4)) if bits.take(1) else (0, 0, 0, 0)
        across, down = (1, 1) if chroma in (0, 3) else (2, 2 if chroma == 1 else 1)
        high = 1 if frames_only else 2
        width, height = 16 * columns - across * (left + right), high * (16 * rows - down * (top + bottom))
        aspect = _aspect(bits) if bits.take(1) else None
        plain = chroma == 1 and depths == (0, 0)
        return cls(ident, profile, constraints, level, plain, frames_only, width, height, aspect)

    @property
    def common(self) -> bool:
        """Of a profile that every player's High decoder includes."""
        return self.profile in (MAIN, HIGH) or (self.profile == BASELINE and bool(self.constraints & _CONSTRAINED))


def _skip_scaling(bits: Bits, lists: int) -> None:
    for number in range(lists):
        if bits.take(1):
            last = following = 8
            for _ in range(16 if number < 6 else 64):
                if following:
                    following = (last + bits.signed()) % 256
                last = following or last


def _skip_order(bits: Bits) -> None:
    """What tells the order of pictures."""
    way = bits.golomb()
    if way == 0:
        bits.golomb()
    elif way == 1:
        bits.take(1)
        bits.signed()
        bits.signed()
        for _ in range(bits.golomb()):
            bits.signed()


def _aspect(bits: Bits) -> Fraction | None:
    """The first words of a set's usability information."""
    if not bits.take(1):
        return None
    named = bits.take(8)
    over, under = (
        (bits.take(16), bits.take(16)) if named == 255 else _ASPECTS[named] if named < len(_ASPECTS) else (0, 0)
    )
    return Fraction(over, under) if over and under else None
