"""Encodes an id as the repeating noise pattern of the pixel watermark; any part of a picture carries some of it.

A pattern is a sum of :data:`SYMBOLS` noise waves. Each is defined by the key alone, as phases of all frequencies in a
band. The first wave is fixed; each other one is cyclically shifted within the tile by a symbol of :data:`SYMBOL_BITS`
bits. The last symbol is a checksum of the id's symbols: it detects any single wrong symbol, and three symbols that
are each off by a neighbouring shift.

The energy is at wavelengths of 1/20 to 1/4 of a tile: downscaling and coarse coding destroy shorter ones, and pictures
have most of their own content at longer ones.
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

VERSION = 1  # raise if the same id and key give another pattern; enters the key
ID_BITS, SYMBOL_BITS = 40, 10
ID_DIGITS = ID_BITS // 4  # hexadecimal digits of an id
SYMBOLS = 2 + ID_BITS // SYMBOL_BITS
SIDE = 64  # samples per tile side
STEP = 2  # samples between neighbouring shifts, whose correlation is 0.2
ACROSS = SIDE // STEP  # shifts per axis; 2 ** SYMBOL_BITS in total
BAND = 4, 20  # cycles per tile, least and most
# Weights of the symbols in the checksum; odd, and differences of neighbouring shifts cannot cancel
CHECK = 67, 123, 263, 785
# Pixels per tile in pictures of up to this many lines; larger pictures have proportionally larger tiles
TILE, TILE_LINES = 128, 720


class Band(NamedTuple):
    """Frequencies of the band, one of each conjugate pair: (n,) cycles per tile down, across, and their radius."""

    down: I64
    across: I64
    radius: F64


def tile_pixels(width: int, height: int) -> float:
    """Pixels per tile side in a picture of this size."""
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
    """(SYMBOLS, n) phases in radians, uniform and independent to anyone without the key.

    Parameters
    ----------
    secret : the key, of any length
    """
    count = len(band().down)
    seed = hmac.new(secret, b"lipsync-ray watermark %d" % VERSION, "sha256").digest()
    drawn = np.frombuffer(hashlib.shake_256(seed).digest(4 * SYMBOLS * count), "<u4")
    return drawn.reshape(SYMBOLS, count) * (2 * np.pi / 2**32)


def symbols_of(ident: int) -> tuple[int, ...]:
    """The shifts of all waves: 0, the id's symbols from the lowest bits up, and their checksum.

    Raises
    ------
    ValueError : the id has more than :data:`ID_BITS` bits
    """
    if not 0 <= ident < 1 << ID_BITS:
        raise ValueError(f"{ident} is not a number of {ID_BITS} bits")
    symbols = [ident >> bit & (1 << SYMBOL_BITS) - 1 for bit in range(0, ID_BITS, SYMBOL_BITS)]
    return 0, *symbols, int(check_of(np.array(symbols)))


def id_text(ident: int) -> str:
    """An id as hexadecimal digits."""
    return f"{ident:0{ID_DIGITS}x}"


def check_of(symbols: I64) -> I64:
    """Checksum of (SYMBOLS − 2, …) symbols."""
    return np.asarray(np.tensordot(CHECK, symbols, 1) % (1 << SYMBOL_BITS), np.int64)


def tile_of(secret: bytes, ident: int) -> F32:
    """(TILE, TILE) float32 pattern of an id, with mean 0 and standard deviation 1."""
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
    """(height, width) float32 pattern of an id over a whole picture."""
    tile, pixels = tile_of(secret, ident), tile_pixels(width, height)
    rows, columns = (((np.arange(count) + 0.5) * (TILE / pixels) - 0.5) % TILE for count in (height, width))
    if pixels == TILE:
        return np.ascontiguousarray(tile[np.ix_(rows.astype(np.int64), columns.astype(np.int64))])
    around = np.pad(tile, 2, mode="wrap")
    across = np.broadcast_to(np.asarray(columns + 2, np.float32), (height, width))
    down = np.broadcast_to(np.asarray(rows + 2, np.float32)[:, None], (height, width))
    return np.asarray(cv2.remap(around, across.copy(), down.copy(), cv2.INTER_CUBIC), np.float32)
