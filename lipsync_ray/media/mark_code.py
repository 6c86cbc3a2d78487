"""The code of the mark in the pixels: an id becomes a pattern that repeats, and every picture has some of it.

A pattern is a sum of :data:`SYMBOLS` waves-of-noise. Each is given by the key alone, as phases of all frequencies of a band; the
first lies still, the others are shifted, around the tile's border, by what they say: :data:`SYMBOL_BITS` bits each. The last one is
a check of those between: no one of them can be another one unseen, nor three of them the shifts beside their own.

Energy is at wavelengths of 1/20 to 1/4 of a tile: short ones are lost where a picture is made smaller or is coded coarsely, long
ones are where pictures have most of their own.
"""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

VERSION = 1  # raise when the same id and key would give another pattern: it is part of the key
ID_BITS, SYMBOL_BITS = 40, 10
ID_DIGITS = ID_BITS // 4  # hexadecimal
SYMBOLS = 2 + ID_BITS // SYMBOL_BITS
SIDE = 64  # samples of a tile, either way
STEP = 2  # of them between two shifts: neighbours look alike to a fifth
ACROSS = SIDE // STEP  # shifts, either way: 2 ** SYMBOL_BITS in all
BAND = 4, 20  # cycles a tile
CHECK = 67, 123, 263, 785  # by which symbols are multiplied in their check; odd, and no neighbours' differences cancel
TILE, TILE_LINES = 128, 720  # pixels of a tile in pictures of so many lines or less; in larger ones it grows with them


class Band(NamedTuple):
    """Frequencies of the band, one of each pair that goes with its conjugate: (n,) cycles a tile down, across, and in all."""

    down: I64
    across: I64
    radius: F64


def tile_pixels(width: int, height: int) -> float:
    """Pixels of a tile in a picture."""
    return TILE * max(1.0, min(width, height) / TILE_LINES)


@lru_cache(maxsize=1)
def band() -> Band:
    """The frequencies that carry the mark."""
    down, across = np.meshgrid(np.fft.fftfreq(SIDE, 1 / SIDE).astype(np.int64), np.arange(SIDE // 2 + 1), indexing="ij")
    radius = np.hypot(down, across)
    kept = (radius >= BAND[0]) & (radius <= BAND[1]) & ((across > 0) | (down > 0))
    return Band(down[kept], across[kept], radius[kept])


@lru_cache(maxsize=8)
def phases(secret: bytes) -> F64:
    """(SYMBOLS, n) radians, uniform and independent for whoever does not know the key.

    Parameters
    ----------
    secret : the key, of any length
    """
    count = len(band().down)
    seed = hmac.new(secret, b"lipsync-ray watermark %d" % VERSION, "sha256").digest()
    drawn = np.frombuffer(hashlib.shake_256(seed).digest(4 * SYMBOLS * count), "<u4")
    return drawn.reshape(SYMBOLS, count) * (2 * np.pi / 2**32)


def symbols_of(ident: int) -> tuple[int, ...]:
    """The shifts of an id's waves: 0, its symbols from the lowest bits up, and their check.

    Raises
    ------
    ValueError : it has more than :data:`ID_BITS` bits
    """
    if not 0 <= ident < 1 << ID_BITS:
        raise ValueError(f"{ident} is no number of {ID_BITS} bits")
    said = [ident >> place & (1 << SYMBOL_BITS) - 1 for place in range(0, ID_BITS, SYMBOL_BITS)]
    return 0, *said, int(check_of(np.array(said)))


def id_text(ident: int) -> str:
    """An id as people read it: hexadecimal digits."""
    return f"{ident:0{ID_DIGITS}x}"


def check_of(symbols: I64) -> I64:
    """The check of (SYMBOLS − 2, …) symbols."""
    return np.asarray(np.tensordot(CHECK, symbols, 1) % (1 << SYMBOL_BITS), np.int64)


def tile_of(secret: bytes, ident: int) -> F32:
    """(TILE, TILE) float32 of mean 0 and standard deviation 1: the pattern of an id."""
    down, across, _ = band()
    total = np.zeros(len(down), np.complex128)
    for phase, symbol in zip(phases(secret), symbols_of(ident), strict=True):
        rows, columns = divmod(symbol, ACROSS)
        total += np.exp(1j * (phase - 2 * np.pi * STEP / SIDE * (down * rows + across * columns)))
    spectrum = np.zeros((TILE, TILE // 2 + 1), np.complex128)
    spectrum[down % TILE, across] = total
    upright = across == 0
    spectrum[-down[upright] % TILE, 0] = total[upright].conj()
    tile = np.fft.irfft2(spectrum)
    return np.asarray(tile / tile.std(), np.float32)


def pattern_of(secret: bytes, ident: int, width: int, height: int) -> F32:
    """(height, width) float32: the pattern of an id over a whole picture."""
    tile, pixels = tile_of(secret, ident), tile_pixels(width, height)
    rows, columns = (((np.arange(count) + 0.5) * (TILE / pixels) - 0.5) % TILE for count in (height, width))
    if pixels == TILE:
        return np.ascontiguousarray(tile[np.ix_(rows.astype(np.int64), columns.astype(np.int64))])
    around = np.pad(tile, 2, mode="wrap")
    across = np.broadcast_to(np.asarray(columns + 2, np.float32), (height, width))
    down = np.broadcast_to(np.asarray(rows + 2, np.float32)[:, None], (height, width))
    return np.asarray(cv2.remap(around, across.copy(), down.copy(), cv2.INTER_CUBIC), np.float32)
