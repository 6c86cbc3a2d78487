"""Tone curves between HDR (PQ, HLG) and the SDR pictures that networks are shown and faces are drawn into.

A curve works on each of R', G', B' alone, in the source's own primaries, so that it can be inverted: light over
:data:`WHITE_NITS`, a knee that compresses highlights, and the inverse of a display's gamma.

* PQ to light: the EOTF of SMPTE ST 2084 (ITU-R BT.2100, table 4).
* HLG to light: the inverse OETF of ITU-R BT.2100, table 5, and its OOTF of a display of 1000 cd/m² with gamma 1.2, on each
  channel instead of the luminance.
* Reference white: 203 cd/m², ITU-R BT.2408.
* Knee: light is kept up to half of white and then approaches 1 (as the EETF of ITU-R BT.2390, with a rational function,
  which has an inverse in closed form, instead of a spline). White becomes 0.75, skin is below the knee.
* Display: gamma 2.4, ITU-R BT.1886 with black at zero.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.media.picture import RGB_AS, U8, Colour, YuvFrame, from_bgr, to_bgr

Hdr = Literal["", "pq", "hlg"]
F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

VERSION = 1  # raise when HDR sources would give other pictures
PQ, HLG = 16, 18  # ITU-T H.273 transfer characteristics
WHITE_NITS = 203.0
_KNEE = 0.5  # of white
_GAMMA = 2.4
_M1, _M2, _C1, _C2, _C3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128  # ST 2084
_PQ_NITS = 10_000.0
_A, _B, _C = 0.17883277, 0.28466892, 0.55991073  # BT.2100, HLG
_HLG_NITS, _HLG_GAMMA = 1000.0, 1.2
_PEAK = {"pq": _PQ_NITS / WHITE_NITS, "hlg": _HLG_NITS / WHITE_NITS}
_STEPS = 1 << 14  # of the tables: a fraction of a code of 12 bits
_BT2020_SDR = 14  # transfer of BT.2020 in 10 bits; the same curve as BT.709's
# Linear light of BT.2020's primaries in those of BT.709 (ITU-R BT.2407); rows and columns R, G, B.
_TO_BT709 = np.array(
    [[1.660491, -0.587641, -0.072850], [-0.124550, 1.132900, -0.008349], [-0.018151, -0.100579, 1.118730]]
)


def hdr_of(colour: Colour) -> Hdr:
    """Which of the HDR transfers a stream has."""
    return "pq" if colour.transfer == PQ else "hlg" if colour.transfer == HLG else ""


def to_sdr(levels: F64, kind: Hdr) -> F64:
    """SDR levels, 0–1, of HDR levels R', G' or B', 0–1; strictly rising."""
    light = _light(np.clip(levels, 0.0, 1.0), kind) / WHITE_NITS
    return np.asarray(_compressed(light, _PEAK[kind]) ** (1 / _GAMMA))


def to_hdr(levels: F64, kind: Hdr) -> F64:
    """The inverse of :func:`to_sdr`."""
    light = _expanded(np.clip(levels, 0.0, 1.0) ** _GAMMA, _PEAK[kind])
    return _levels(light * WHITE_NITS, kind)


def _light(levels: F64, kind: Hdr) -> F64:
    """cd/m² of HDR levels."""
    if kind == "pq":
        power = levels ** (1 / _M2)
        return np.asarray(_PQ_NITS * (np.maximum(power - _C1, 0) / (_C2 - _C3 * power)) ** (1 / _M1))
    scene = np.where(levels <= 0.5, levels**2 / 3, (np.exp((levels - _C) / _A) + _B) / 12)
    return np.asarray(_HLG_NITS * scene**_HLG_GAMMA)


def _levels(nits: F64, kind: Hdr) -> F64:
    """The inverse of :func:`_light`."""
    if kind == "pq":
        power = np.clip(nits / _PQ_NITS, 0, 1) ** _M1
        # Of no light at all the formula gives a level of 7e-7 instead of 0.
        return np.asarray(np.where(nits > 0, ((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2, 0))
    scene = np.clip(nits / _HLG_NITS, 0, 1) ** (1 / _HLG_GAMMA)
    high = _A * np.log(np.maximum(12 * scene - _B, 1e-9)) + _C
    return np.asarray(np.clip(np.where(scene <= 1 / 12, np.sqrt(3 * scene), high), 0, 1))


def _compressed(light: F64, peak: float) -> F64:
    """Light over white in 0–1: the same below the knee, and above it a hyperbola of slope 1 that reaches 1 at `peak`."""
    room = 1 - _KNEE
    most = (peak - _KNEE) / room
    over = np.maximum(light - _KNEE, 0) / room
    # over / (1 + s·over), s so that `most` becomes 1
    return np.asarray(np.where(light <= _KNEE, light, _KNEE + room * over / (1 + (1 - 1 / most) * over)))


def _expanded(light: F64, peak: float) -> F64:
    room = 1 - _KNEE
    most = (peak - _KNEE) / room
    over = np.maximum(light - _KNEE, 0) / room
    return np.asarray(np.where(light <= _KNEE, light, _KNEE + room * over / (1 - (1 - 1 / most) * over)))


@lru_cache(maxsize=4)
def _table(kind: Hdr, forward: bool) -> F32:
    """(_STEPS + 1,) levels 0–255 of levels 0–255."""
    levels = np.linspace(0, 1, _STEPS + 1)
    return np.asarray(255 * (to_sdr if forward else to_hdr)(levels, kind), np.float32)


def curved(bgr: F32, kind: Hdr, forward: bool) -> F32:
    """(h, w, 3) float32 levels 0–255, HDR to SDR if `forward`, or back."""
    places = np.rint(np.clip(bgr, 0, 255) * (_STEPS / 255)).astype(np.uint16)
    return np.asarray(_table(kind, forward)[places], np.float32)


def sdr_colour(colour: Colour) -> Colour:
    """Tags of the SDR pictures of a source: its matrix, primaries and range."""
    return Colour(colour.matrix, colour.range, colour.primaries, _BT2020_SDR if colour.primaries == 9 else 1)


def sdr_picture(planes: tuple[NDArray[np.generic], ...], depth: int, colour: Colour) -> YuvFrame:
    """The SDR picture of an HDR one.

    Parameters
    ----------
    planes : Y (H, W), U and V (H/2, W/2): `depth` bits of uint8 or uint16; H and W even
    """
    y, u, v = (np.asarray(plane, np.float32) / (1 << (depth - 8)) for plane in planes)
    size = y.shape[1], y.shape[0]
    full = (cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR) for plane in (u, v))
    bgr = to_bgr(np.asarray(cv2.merge((y, *full)), np.float32), colour, size[1])
    sdr = curved(bgr, hdr_of(colour), forward=True)
    return YuvFrame(*_planar(from_bgr(sdr, colour, size[1])), sdr_colour(colour))


def _planar(yuv: F32) -> tuple[U8, U8, U8]:
    """Y, U, V at full resolution as the planes of a picture."""
    half = yuv.shape[1] // 2, yuv.shape[0] // 2
    planes = (yuv[..., 0], *(cv2.resize(yuv[..., i], half, interpolation=cv2.INTER_AREA) for i in (1, 2)))
    y, u, v = (np.clip(np.rint(plane), 0, 255).astype(np.uint8) for plane in planes)
    return y, u, v


def sdr_pixels(rgb: NDArray[np.uint16], colour: Colour) -> U8:
    """SDR pixels of (h, w, 3) HDR pixels."""
    levels = curved(np.asarray(rgb / 257, np.float32), hdr_of(colour), forward=True)
    return np.rint(levels).astype(np.uint8)


def in_bt709(picture: YuvFrame) -> YuvFrame:
    """An SDR picture in BT.2020's primaries, in BT.709's: colours outside its gamut are clipped."""
    if picture.colour.primaries != 9:
        return picture
    gamma = np.linspace(0, 1, 256) ** _GAMMA
    light = cv2.LUT(picture.bgr(), gamma.astype(np.float32))
    inside = np.clip(cv2.transform(light, _TO_BT709[::-1, ::-1].astype(np.float32)), 0, 1)
    levels = _display()[np.rint(np.sqrt(inside) * _STEPS).astype(np.uint16)]
    return YuvFrame(*_planar(from_bgr(levels, RGB_AS, picture.height)), RGB_AS)


@lru_cache(maxsize=1)
def _display() -> F32:
    """(_STEPS + 1,) levels 0–255 of the square root of light, 0–1, which has enough steps near black."""
    return np.asarray(255 * np.linspace(0, 1, _STEPS + 1) ** (2 / _GAMMA), np.float32)
