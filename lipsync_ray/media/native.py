"""The decoder's own samples of a frame, and how what was drawn into its 8-bit picture gets into them.

Everything is drawn into 8-bit 4:2:0 pictures (of HDR: tone-mapped ones, :mod:`lipsync_ray.media.tone`). Where a picture is as
it was decoded, the samples stay the decoder's own, bit for bit. Where it was changed, with g the map from the picture's
levels to those of the samples,

    new = g(after) + w · (native − g(before))

so that a small change is added to the samples as they are, with their grain and fine gradation, and there is no step where
the drawn area ends. The weight w falls from 1 to 0 as the change grows, so that no detail of an old mouth is left in a new one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.media import tone
from lipsync_ray.media.codecs import PLAIN, CodecSpec
from lipsync_ray.media.picture import F32, FULL_RANGE, U8, Box, Colour, YuvFrame, from_bgr, to_bgr

Plane = NDArray[Any]
"""uint8 or uint16."""
Mask = NDArray[np.bool_]

# Levels of change up to which the samples' own detail stays, and from which nothing of it does.
_KEPT, _GONE = 4.0, 24.0
_PLAIN_FORMAT, _PLAIN_DEEP = "yuv422p10le", 10  # of plain pictures, for a codec without their own format
_MARGIN = 4  # pixels around all changes, where the two pictures are equal
_LEAST_COVER = 0.25  # a change under less alpha is not amplified further


@dataclass(frozen=True)
class NativePicture:
    """A decoded frame in a format of the output.

    Attributes
    ----------
    planes : Y, U, V and possibly alpha, uint8 or uint16, upright, read-only. Luma has the picture's even sides
    format : FFmpeg's name of the pixel format
    depth : bits of a sample
    colour : tags
    before : Y, U, V of the 8-bit picture as decoded
    """

    planes: tuple[Plane, ...]
    format: str
    depth: int
    colour: Colour
    before: tuple[U8, U8, U8]

    @property
    def nbytes(self) -> int:
        return sum(plane.nbytes for plane in self.planes)

    def with_changes(self, picture: YuvFrame) -> NativePicture:
        """The samples of a frame whose 8-bit picture may have been drawn into."""
        found = _changed(picture, self.before)
        if found is None:
            return self
        box, own = found
        sizes = [_cut(planes, box) for planes in (self.before, (picture.y, picture.u, picture.v))]
        change = np.abs(sizes[1][0] - sizes[0][0]).max(axis=2)
        weight = np.asarray(np.clip((_GONE - change) / (_GONE - _KEPT), 0, 1), np.float32)
        cover = self._cover(box)
        if cover is not None:
            weight[cover != 1] = 1  # the picture has the ground in it there, the samples have not
        before, after = ([self._levels(yuv, picture.height) for yuv in each] for each in sizes)
        planes = list(self.planes)
        for index in range(3):
            down, across = (w // p for w, p in zip(self.planes[0].shape, self.planes[index].shape, strict=True))
            coarse = (down, across) == (2, 2)
            old, new = (_reduced(each[coarse][..., index], box, down, across) for each in (before, after))
            if cover is not None:
                new = old + (new - old) / _reduced(cover, box, down, across)
            planes[index] = self._put(index, box, old, new, _reduced(weight, box, down, across), own)
        return replace(self, planes=tuple(planes))

    def enlarged(self, times: int, before: tuple[U8, U8, U8]) -> NativePicture:
        """The frame at `times` its size, by Lanczos.

        Parameters
        ----------
        before : Y, U, V of its 8-bit picture in that size
        """
        most = (1 << self.depth) - 1
        sized = (cv2.resize(one, None, fx=times, fy=times, interpolation=cv2.INTER_LANCZOS4) for one in self.planes)
        return replace(self, planes=tuple(np.minimum(one, most) for one in sized), before=before)

    def _cover(self, box: Box) -> F32 | None:
        """(h, w) float32 by which a change of the picture on its ground is divided to be one of the samples: their alpha, 0–1, and
        infinity where nothing is seen. None without alpha."""
        if len(self.planes) < 4:
            return None
        alpha = np.asarray(self.planes[3][box.y0 : box.y1, box.x0 : box.x1], np.float32) / ((1 << self.depth) - 1)
        return np.where(alpha > 0, np.maximum(alpha, _LEAST_COVER), np.inf).astype(np.float32)

    def _levels(self, yuv: F32, height: int) -> F32:
        """g: (h, w, 3) float Y, U, V of the samples, in units of 8 bits."""
        kind = tone.hdr_of(self.colour)
        if not kind:
            return yuv
        return from_bgr(tone.curved(to_bgr(yuv, self.colour, height), kind, forward=False), self.colour, height)

    def _put(self, index: int, box: Box, old: F32, new: F32, weight: F32, own: Mask) -> Plane:
        """One of Y, U, V with its changes.

        Parameters
        ----------
        old, new : g(before), g(after) in the box, of the plane's size; as is `weight`, of the samples' own detail
        own : (h, w) where the 8-bit picture differs
        """
        plane = self.planes[index].copy()
        down, across = (whole // part for whole, part in zip(self.planes[0].shape, plane.shape, strict=True))
        there = plane[box.y0 // down : box.y1 // down, box.x0 // across : box.x1 // across]
        unit = float(1 << (self.depth - 8))
        mixed = np.rint(new * unit + weight * (there - old * unit))
        drawn = own.reshape(there.shape[0], down, there.shape[1], across).any(axis=(1, 3))
        np.copyto(there, np.clip(mixed, 0, (1 << self.depth) - 1).astype(plane.dtype), where=drawn)
        return plane


def plain_samples(picture: YuvFrame, spec: CodecSpec) -> NativePicture:
    """A picture without samples of its own, in a format of the codec: its own planes, or the same levels with more bits and chroma."""
    planes = picture.y, picture.u, picture.v
    if PLAIN in spec.formats:
        return NativePicture(planes, PLAIN, 8, picture.colour, planes)
    # Not by swscale: what it makes depends on memory beside the picture.
    most = (1 << _PLAIN_DEEP) - 1
    scale = most / 255 if picture.colour.range == FULL_RANGE else 1 << (_PLAIN_DEEP - 8)
    fine = (cv2.resize(one.astype(np.float32), None, fx=1, fy=2, interpolation=cv2.INTER_LINEAR) for one in planes[1:])
    deep = tuple(np.clip(np.rint(one * np.float32(scale)), 0, most).astype(np.uint16) for one in (planes[0], *fine))
    return NativePicture(deep, _PLAIN_FORMAT, _PLAIN_DEEP, picture.colour, planes)


def _changed(picture: YuvFrame, before: tuple[U8, U8, U8]) -> tuple[Box, Mask] | None:
    """(even box around all changes, (h, w) where there is one in it); None without any."""
    luma, *chroma = (
        None if now is then else now != then
        for now, then in zip((picture.y, picture.u, picture.v), before, strict=True)
    )
    found = np.zeros(before[0].shape, bool) if luma is None else luma
    for one in chroma:
        if one is not None:
            found |= one.repeat(2, axis=0).repeat(2, axis=1)
    rows, columns = np.flatnonzero(found.any(axis=1)), np.flatnonzero(found.any(axis=0))
    if not len(rows):
        return None
    around = Box(
        max(0, int(columns[0]) - _MARGIN), max(0, int(rows[0]) - _MARGIN),
        min(picture.width, int(columns[-1]) + 1 + _MARGIN), min(picture.height, int(rows[-1]) + 1 + _MARGIN),
    ).even()  # fmt: skip
    return around, found[around.y0 : around.y1, around.x0 : around.x1]


def _cut(planes: tuple[U8, U8, U8], box: Box) -> tuple[F32, F32]:
    """(h, w, 3) float32 Y, U, V in a box, chroma enlarged; and (h/2, w/2, 3), luma reduced."""
    y = planes[0][box.y0 : box.y1, box.x0 : box.x1].astype(np.float32)
    half = [one[box.y0 // 2 : box.y1 // 2, box.x0 // 2 : box.x1 // 2].astype(np.float32) for one in planes[1:]]
    whole = (cv2.resize(one, (box.width, box.height), interpolation=cv2.INTER_LINEAR) for one in half)
    small = cv2.resize(y, (box.width // 2, box.height // 2), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.merge((y, *whole)), np.float32), np.asarray(cv2.merge((small, *half)), np.float32)


def _reduced(values: F32, box: Box, down: int, across: int) -> F32:
    """Values of a box, (h, w) or already reduced, in the size of a plane with that subsampling."""
    size = box.width // across, box.height // down
    if values.shape == size[::-1]:
        return values
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), np.float32)
