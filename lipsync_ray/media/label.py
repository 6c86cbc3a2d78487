"""Draws a text label once per video and overlays it on the frames, in a corner of the picture."""

from __future__ import annotations

import io
import unicodedata
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from lipsync_ray.errors import SettingsError
from lipsync_ray.media.choices import Corner
from lipsync_ray.media.fonts import Font
from lipsync_ray.media.picture import FULL_RANGE, Box, YuvFrame

U8 = NDArray[np.uint8]

VERSION = 1  # raise when the same text and font would give other pixels
_SIZE, _LEAST = 0.042, 11  # letter height as a share of the picture's shorter side; smallest letter height in pixels
_MARGIN = 0.035  # of each side: within the title-safe area
_INNER = 0.4  # of the letter height: padding around the text
_ROUND = 0.3  # of the letter height: radius of the box's corners
_LINES = 3
_GROUND, _INK = 20, 245  # grey levels of the box and of the letters
_OPAQUE = 190  # opacity of the box, 0–255


@dataclass(frozen=True)
class Label:
    """A drawn label: `grey` (h, w) uint8, full range, and its opacity `cover` (h, w), 0–255; h and w are even."""

    grey: U8
    cover: U8

    def png(self) -> bytes:
        """Encode as PNG with grey and alpha channels."""
        buffer = io.BytesIO()
        Image.merge("LA", (Image.fromarray(self.grey), Image.fromarray(self.cover))).save(buffer, "png")
        return buffer.getvalue()

    @classmethod
    def of_png(cls, data: bytes) -> Label:
        """Inverse of :meth:`png`."""
        with Image.open(io.BytesIO(data)) as image:
            grey, cover = (np.asarray(band, np.uint8) for band in image.split())
        return cls(grey, cover)


def draw_label(text: str, font: Font, language: str | None, width: int, height: int, aspect: Fraction) -> Label:
    """Draw a text in a box sized for a picture, wrapped to several lines if it is too long for one.

    Parameters
    ----------
    font : a font with all its letters (:func:`~lipsync_ray.media.fonts.font_for`)
    language : BCP 47; selects the regional form of shared letters (Chinese, Japanese, Korean)
    width, height : of the picture in pixels, both even
    aspect : pixel aspect ratio: displayed width over height of a pixel

    Raises
    ------
    SettingsError : the text is too long for a picture of this size
    """
    displayed = float(width * aspect)
    room = displayed * (1 - 2 * _MARGIN)
    size = max(_LEAST, round(_SIZE * min(displayed, height)))
    alone = [(letter, 1) for letter in range(size, max(_LEAST, round(0.75 * size)) - 1, -1)]
    for letter, most in (*alone, *((letter, _LINES) for letter in range(size, _LEAST - 1, -1))):
        face = ImageFont.truetype(font.path, letter)
        lines = _lines(text, face, room - 2 * round(_INNER * letter), language)
        tall = len(lines) * _line_height(face) + 2 * round(_INNER * letter)
        if 0 < len(lines) <= most and tall <= height * (1 - 2 * _MARGIN):
            return _drawn(lines, face, letter, language, aspect)
    raise SettingsError(
        f"--label “{text}”: too long to be read in a picture of {width}×{height}; expected a shorter text"
    )


def _line_height(face: ImageFont.FreeTypeFont) -> int:
    up, down = face.getmetrics()
    return up + down


def _lines(text: str, face: ImageFont.FreeTypeFont, room: float, language: str | None) -> list[str]:
    """Wrap the text between words; empty if a word is too long."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and face.getlength(longer, language=_known(face, language)) <= room:
            lines[-1] = longer
        else:
            lines.append(word)
    fits = all(face.getlength(line, language=_known(face, language)) <= room for line in lines)
    return lines if fits else []


def _known(face: ImageFont.FreeTypeFont, language: str | None) -> str | None:
    """The language, if the layout engine supports it."""
    return language if face.layout_engine == ImageFont.Layout.RAQM else None


def _drawn(
    lines: list[str], face: ImageFont.FreeTypeFont, letter: int, language: str | None, aspect: Fraction
) -> Label:
    tag = _known(face, language)
    inner, row = round(_INNER * letter), _line_height(face)
    wide = max(int(np.ceil(face.getlength(line, language=tag))) for line in lines)
    size = wide + 2 * inner, len(lines) * row + 2 * inner
    ink = Image.new("L", size, 0)
    larger = Image.new("L", (4 * size[0], 4 * size[1]), 0)
    ImageDraw.Draw(larger).rounded_rectangle(
        (0, 0, 4 * size[0] - 1, 4 * size[1] - 1), 4 * _ROUND * letter, fill=_OPAQUE
    )
    cover = larger.resize(size, Image.Resampling.BOX)
    pen = ImageDraw.Draw(ink)
    leftwards = _leftwards(" ".join(lines))
    for number, line in enumerate(lines):
        start = inner + (wide - face.getlength(line, language=tag) if leftwards else 0)
        pen.text((start, inner + number * row), line, fill=255, font=face, language=tag)
    squeezed = max(2, round(size[0] / aspect))
    even = squeezed + squeezed % 2, size[1] + size[1] % 2
    if squeezed != size[0]:
        cover, ink = (one.resize((squeezed, size[1]), Image.Resampling.LANCZOS) for one in (cover, ink))
    strokes = np.zeros(even[::-1], np.uint16)
    box = np.zeros(even[::-1], np.uint16)
    strokes[: size[1], :squeezed], box[: size[1], :squeezed] = np.asarray(ink), np.asarray(cover)
    grey = (_GROUND * (255 - strokes) + _INK * strokes + 127) // 255
    return Label(grey.astype(np.uint8), np.maximum(box, strokes).astype(np.uint8))


def _leftwards(text: str) -> bool:
    """Whether a text runs from right to left, by its first letter with a direction."""
    sides = (unicodedata.bidirectional(sign) for sign in text)
    return next((side in ("R", "AL") for side in sides if side in ("L", "R", "AL")), False)


def position_of(label: Label, corner: Corner, width: int, height: int) -> tuple[int, int]:
    """(x, y) of the label's upper left pixel in a picture of this size; both even."""
    tall, wide = label.grey.shape
    right, low = corner.endswith("right"), corner.startswith("bottom")
    margin_x, margin_y = round(_MARGIN * width), round(_MARGIN * height)
    x = width - margin_x - wide if right else margin_x
    y = height - margin_y - tall if low else margin_y
    return max(0, x) & ~1, max(0, y) & ~1


def labelled(picture: YuvFrame, label: Label, x: int, y: int) -> YuvFrame:
    """A copy of a frame with the label on it. Integer arithmetic, so the result is the same on all machines."""
    tall, wide = label.grey.shape
    low, high = (0, 255) if picture.colour.range == FULL_RANGE else (16, 235)
    level = low + (label.grey.astype(np.uint32) * (high - low) + 127) // 255
    cover = label.cover.astype(np.uint32)
    box = Box(x, y, x + wide, y + tall)
    coarse = cover.reshape(tall // 2, 2, wide // 2, 2).sum((1, 3)) // 4
    half = Box(*(edge // 2 for edge in box))
    return replace(
        picture,
        y=_laid(picture.y, level, cover, box),
        u=_laid(picture.u, np.uint32(128), coarse, half),
        v=_laid(picture.v, np.uint32(128), coarse, half),
    )


def _laid(plane: U8, level: NDArray[np.uint32] | np.uint32, cover: NDArray[np.uint32], box: Box) -> U8:
    out = plane.copy()
    under = out[box.y0 : box.y1, box.x0 : box.x1]
    under[...] = (under * (255 - cover) + level * cover + 127) // 255
    return out
