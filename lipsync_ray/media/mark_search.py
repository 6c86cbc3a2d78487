"""Look for the mark in the mean of a video's frames, without the source: its scale, where it was cut, and what it says.

The mean is freed of what the picture has of its own: neighbourhoods are taken off, and brought to one level. For every scale that
the mark may have, tiles are laid upon each other, and the phases of their spectrum are compared with those of the key, for all
shifts at once. What the waves say together is one of the ids; where a second one fits nearly as well, none is told.

False alarms. In a picture without the mark a frequency's phase says nothing about the key's: each term aᵢ·cos(φᵢ) of the sum that
belongs to one scale, one place and one id has a φᵢ that is uniform and independent of the others. So E exp(λ·aᵢ·cos φᵢ) = I₀(λaᵢ) ≤
exp(λ²aᵢ²/4), and P(sum ≥ z·σ) ≤ exp(−z²/2), where σ² = Σaᵢ²/2, whatever the picture. By the sum over all that is tried, ids × shifts
× scales × means × keys, the chance that anything reaches z is at most (all of them) · exp(−z²/2). What is found has that below
:data:`FALSE_ALARM`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.media.mark_code import (
    ACROSS,
    BAND,
    ID_BITS,
    SIDE,
    STEP,
    SYMBOL_BITS,
    SYMBOLS,
    TILE,
    band,
    check_of,
    phases,
    tile_pixels,
)

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

FALSE_ALARM = 1e-6  # a file
_SMALLEST, _LARGEST = 0.4, 2.2  # of a tile's size in a picture that nobody has scaled
_NEAR = (1.0, 1 / 2, 2 / 3, 3 / 4, 3 / 2, 2.0)  # what is tried first
_SLIP = 0.7  # samples of a tile by which the farthest ones may lie wrong at the nearest scale that is tried
_GROUP = 1.25  # scales that share a smoothed picture
_CLIP, _NOISE = 2.0, 0.1  # of the picture brought to one level: most of a pixel; levels that are taken for noise
_LOUD = 1.5  # most weight of a frequency beside the mean of its neighbours
_SURE = 1000  # times that an id has to be likelier than the second one
_SHIFTS, _CANDIDATES = 8, 6  # that are looked at in full where the first look promises something


@dataclass(frozen=True)
class MarkFound:
    """A mark.

    Attributes
    ----------
    ident : what it says; None where that is not sure
    score : z, in standard deviations of what a picture without the mark gives
    false_alarm : at most the chance that such a score comes from a file without it, over all that was tried
    tile : pixels of a tile in the picture that was looked at
    """

    ident: int | None
    score: float
    false_alarm: float
    tile: float


def hypotheses(width: int, height: int, means: int = 1, keys: int = 1) -> float:
    """How many combinations of id, shift, scale, mean and key are tried in pictures of a size."""
    return float(2**ID_BITS) * SIDE**2 * len(scales(width, height)) * means * keys


def least_score(tried: float) -> float:
    """The z at which so many trials have a false alarm with the chance :data:`FALSE_ALARM`."""
    return math.sqrt(2 * math.log(tried / FALSE_ALARM))


def find(mean: F32, secrets: Iterable[bytes], tried: float, quick: bool = False) -> MarkFound | None:
    """The mark in a mean of frames; None where there is none.

    Parameters
    ----------
    mean : (h, w) float32 luminance
    secrets : keys
    tried : combinations in the whole file, of :func:`hypotheses`
    quick : only at the scales that are most likely
    """
    keys = [phases(secret) for secret in secrets]
    least = least_score(tried)
    best: MarkFound | None = None
    for tile, weights in _spectra(mean, quick):
        for key in keys:
            found = _read(_correlations(weights, key), least)
            if found is not None and (best is None or found[1] > best.score):
                ident, score = found
                best = MarkFound(ident, score, min(1.0, tried * math.exp(-score * score / 2)), tile)
        if best is not None and tile > best.tile * _GROUP:
            break
    return best


def scales(width: int, height: int, quick: bool = False) -> list[float]:
    """Pixels of a tile that are tried in a picture: so near to each other that one of them fits; and the likeliest ones.

    Parameters
    ----------
    quick : these alone
    """
    usual = tile_pixels(width, height)
    tile, found = _SMALLEST * TILE, sorted({size * near for near in _NEAR for size in (usual, TILE)})
    while not quick and tile < _LARGEST * usual:
        found.append(tile)
        tile *= 1 + 2 * _SLIP * tile / SIDE / max(width, height)
    return sorted(found)


def _spectra(mean: F32, quick: bool) -> Iterator[tuple[float, NDArray[np.complex128]]]:
    """(pixels of a tile, (n,) weights of the band's frequencies) at every scale that is tried."""
    height, width = mean.shape
    first, calm = 0.0, mean
    for tile in scales(width, height, quick):
        if tile > first * _GROUP:
            first, scale = tile, min(1.0, SIDE / tile)
            size = max(1, round(width * scale)), max(1, round(height * scale))
            small = cv2.resize(mean, size, interpolation=cv2.INTER_AREA) if scale < 1 else mean
            calm = _levelled(small, SIDE / tile / scale)
        yield tile, _weights(_folded(calm, width, height, tile))


def _levelled(picture: F32, samples: float) -> F32:
    """A picture without its own slow changes, every neighbourhood of it at one level.

    Parameters
    ----------
    samples : of a tile that a pixel is
    """
    near, far = 1.0 / samples, 1.2 / samples
    detail = picture - cv2.GaussianBlur(picture, (0, 0), near, borderType=cv2.BORDER_REFLECT)
    power = cv2.GaussianBlur(detail * detail, (0, 0), far, borderType=cv2.BORDER_REFLECT)
    return np.asarray(np.clip(detail / np.sqrt(power + _NOISE**2), -_CLIP, _CLIP), np.float32)


def _folded(calm: F32, width: int, height: int, tile: float) -> F64:
    """(SIDE, SIDE): all tiles of a picture on each other.

    Parameters
    ----------
    calm : the picture, of whatever size
    width, height : that it had
    tile : pixels of a tile at that size
    """
    rows, columns = calm.shape
    across, down = tile / SIDE * columns / width, tile / SIDE * rows / height
    turn = np.array([[across, 0, across / 2 - 0.5], [0, down, down / 2 - 0.5]])
    size = int(columns / across), int(rows / down)
    even = cv2.warpAffine(
        calm, turn, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
    )
    whole = np.zeros((-(-size[1] // SIDE) * SIDE, -(-size[0] // SIDE) * SIDE), np.float32)
    whole[: size[1], : size[0]] = even
    return np.asarray(whole.reshape(len(whole) // SIDE, SIDE, -1, SIDE).sum((0, 2)), np.float64)


def _weights(tile: F64) -> NDArray[np.complex128]:
    """(n,) of the band's frequencies: a phase, and how much it counts, with Σ|a|²/2 = 1."""
    down, across, radius = band()
    found = np.fft.rfft2(tile)[down, across]
    power = np.abs(found) ** 2
    ring = np.rint(radius).astype(np.int64)
    usual = np.bincount(ring, power) / np.maximum(1, np.bincount(ring))
    loud = np.sqrt(power / (usual[ring] + 1e-12))
    found = found / np.maximum(np.abs(found), 1e-12) * np.minimum(loud, _LOUD)
    return np.asarray(found / max(np.sqrt(np.sum(np.abs(found) ** 2) / 2), 1e-12), np.complex128)


def _correlations(weights: NDArray[np.complex128], key: F64) -> F64:
    """(SYMBOLS, SIDE, SIDE): how each wave of a key fits at each shift, in standard deviations."""
    down, across, _ = band()
    spectra = np.zeros((SYMBOLS, SIDE, SIDE), np.complex128)
    spectra[:, down % SIDE, across] = weights * np.exp(-1j * key)
    return np.asarray(np.fft.ifft2(spectra).real * SIDE**2, np.float64)


def _read(fits: F64, least: float) -> tuple[int | None, float] | None:
    """The id that fits best, and its z; None where none reaches the least."""
    # What the best symbols would come to, whatever they say together.
    best = fits[1:].reshape(SYMBOLS - 1, ACROSS, STEP, ACROSS, STEP).max((1, 3)).sum(0)
    promise = fits[0] + np.tile(best, (ACROSS, ACROSS))
    if promise.max() < least * math.sqrt(SYMBOLS):
        return None
    totals: dict[int, float] = {}
    for place in np.argsort(-promise, axis=None)[:_SHIFTS].tolist():
        rows, columns = divmod(place, SIDE)
        said = [np.roll(fit, (-rows, -columns), (0, 1))[::STEP, ::STEP].ravel() for fit in fits[1:]]
        likely = [np.argsort(-one)[:_CANDIDATES] for one in said[:-1]]
        symbols = np.stack([grid.ravel() for grid in np.meshgrid(*likely, indexing="ij")])
        total = fits[0, rows, columns] + sum(one[symbol] for one, symbol in zip(said, symbols, strict=False))
        total = total + said[-1][check_of(symbols)]
        for at in np.argsort(-total)[:2].tolist():
            ident = sum(int(symbol) << SYMBOL_BITS * n for n, symbol in enumerate(symbols[:, at]))
            totals[ident] = max(totals.get(ident, -math.inf), float(total[at]))
    (first, most), (_, second) = sorted(totals.items(), key=lambda item: -item[1])[:2]
    score = most / math.sqrt(SYMBOLS)
    if score < least:
        return None
    # A wave's fit has a mean of score/√SYMBOLS, and noise of 1: how many times likelier the first one is.
    return (first if (most - second) * score / math.sqrt(SYMBOLS) > math.log(_SURE) else None), score


assert BAND[1] < SIDE // 2
