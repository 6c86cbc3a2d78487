"""Static metadata of HDR: the mastering display (SMPTE ST 2086) and the content light level (CTA-861.3)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

Point = tuple[float, float]
_MASTERING, _CONTENT = "MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL"
_X265_XY, _X265_NITS = 50_000, 10_000  # units of its parameters: 0.00002 and 0.0001 cd/m²


@dataclass(frozen=True)
class Mastering:
    """A mastering display: CIE 1931 x, y of its primaries and white, and its luminance in cd/m²."""

    red: Point
    green: Point
    blue: Point
    white: Point
    most: float
    least: float


@dataclass(frozen=True)
class HdrLight:
    """What a stream says of its light.

    Attributes
    ----------
    mastering : display on which it was graded
    content : largest light level of a pixel, and largest average of a frame, in cd/m²
    """

    mastering: Mastering | None = None
    content: tuple[int, int] | None = None

    def x265(self) -> list[str]:
        """x265's parameters."""
        out = []
        if (display := self.mastering) is not None:
            points = zip(["G", "B", "R", "WP"], (display.green, display.blue, display.red, display.white), strict=True)
            text = "".join(f"{name}({round(x * _X265_XY)},{round(y * _X265_XY)})" for name, (x, y) in points)
            out.append(
                f"master-display={text}L({round(display.most * _X265_NITS)},{round(display.least * _X265_NITS)})"
            )
        if self.content is not None:
            out.append(f"max-cll={self.content[0]},{self.content[1]}")
        return out

    def svt(self) -> list[str]:
        """SVT-AV1's parameters."""
        out = []
        if (display := self.mastering) is not None:
            points = zip(["G", "B", "R", "WP"], (display.green, display.blue, display.red, display.white), strict=True)
            text = "".join(f"{name}({x:.5f},{y:.5f})" for name, (x, y) in points)
            out.append(f"mastering-display={text}L({display.most:.4f},{display.least:.4f})")
        if self.content is not None:
            out.append(f"content-light={self.content[0]},{self.content[1]}")
        return out


def light_of(frame: Any) -> HdrLight | None:
    """What a decoded frame carries; None where it carries nothing of it."""
    try:
        found = {data.type.name: bytes(data) for data in frame.side_data}
    except ValueError:  # PyAV does not know every kind of side data, and then shows none
        return None
    mastering = _mastering(found[_MASTERING]) if _MASTERING in found else None
    content = struct.unpack_from("=2I", found[_CONTENT]) if _CONTENT in found else None
    return HdrLight(mastering, content) if mastering or content else None


def _mastering(data: bytes) -> Mastering | None:
    """FFmpeg's AVMasteringDisplayMetadata: ten fractions, and whether they are there."""
    *numbers, has_primaries, has_luminance = struct.unpack_from("=20i2i", data)
    if not has_primaries or not has_luminance:
        return None
    values = [top / bottom if bottom else 0.0 for top, bottom in zip(numbers[::2], numbers[1::2], strict=True)]
    red, green, blue, white = ((values[i], values[i + 1]) for i in range(0, 8, 2))
    return Mastering(red, green, blue, white, most=values[9], least=values[8])
