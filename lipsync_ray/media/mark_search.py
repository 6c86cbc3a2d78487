"""Detects the pixel watermark in a video's mean frame, without the source: its scale, its shift and its id.

The mean is high-pass filtered and normalised to constant local contrast. For every scale that the mark may have, all
tiles are summed, and the phases of the sum's spectrum are correlated with those of the key, for all shifts at once. The
id with the highest total correlation is reported, unless another one is nearly as likely.

False alarms. In a picture without the mark a frequency's phase says nothing about the key's: each term aᵢ·cos(φᵢ) of
the sum that belongs to one scale, one shift and one id has a φᵢ that is uniform and independent of the others. So E
exp(λ·aᵢ·cos φᵢ) = I₀(λaᵢ) ≤ exp(λ²aᵢ²/4), and P(sum ≥ z·σ) ≤ exp(−z²/2), where σ² = Σaᵢ²/2, whatever the picture. By
the union bound over all ids × shifts × scales × means × keys that are tried, the chance that anything reaches z is at
most their number · exp(−z²/2). A mark is reported if that is below :data:`FALSE_ALARM`.
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

FALSE_ALARM = 1e-6  # probability per file
_SMALLEST, _LARGEST = 0.4, 2.2  # range of tile sizes searched, relative to that of an unscaled picture
_NEAR = (1.0, 1 / 2, 2 / 3, 3 / 4, 3 / 2, 2.0)  # scales tried first
_SLIP = 0.7  # samples by which the outermost tiles may be misaligned at the nearest scale tried
_GROUP = 1.25  # range of scales that share a filtered picture
_CLIP, _NOISE = 2.0, 0.1  # of the normalised picture: largest value of a pixel; contrast that counts as noise
_LOUD = 1.5  # largest amplitude of a frequency, relative to the mean at its radius
_SURE = 1000  # likelihood ratio to the second id that is required
_SHIFTS, _CANDIDATES = 8, 6  # shifts and symbols per wave that are evaluated in full


@dataclass(frozen=True)
class MarkFound:
    """A detected mark.

    Attributes
    ----------
    ident : its id; None if not certain
    score : z, in standard deviations of the score without a mark
    false_alarm : upper bound of the probability that a file without a mark gives such a score
    tile : pixels per tile side in the picture
    """

    ident: int | None
    score: float
    false_alarm: float
    tile: float


def hypotheses(width: int, height: int, means: int = 1, keys: int = 1) -> float:
    """Number of combinations of id, shift, scale, mean and key that are tried in pictures of this size."""
    return float(2**ID_BITS) * SIDE**2 * len(scales(width, height)) * means * keys


def least_score(tried: float) -> float:
    """The z at which that many trials have the false-alarm probability :data:`FALSE_ALARM`."""
    return math.sqrt(2 * math.log(tried / FALSE_ALARM))


def find(mean: F32, secrets: Iterable[bytes], tried: float, quick: bool = False) -> MarkFound | None:
    """Search a mean of frames for the mark; None without one.

    Parameters
    ----------
    mean : (h, w) float32 luminance
    secrets : keys to try
    tried : number of combinations in the whole file, from :func:`hypotheses`
    quick : try only the likeliest scales
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
    """Tile sizes in pixels to try in a picture, ascending and close enough that one of them fits.

    Parameters
    ----------
    quick : only the likeliest
    """
    usual = tile_pixels(width, height)
    tile, found = _SMALLEST * TILE, sorted({size * near for near in _NEAR for size in (usual, TILE)})
    while not quick and tile < _LARGEST * usual:
        found.append(tile)
        tile *= 1 + 2 * _SLIP * tile / SIDE / max(width, height)
    return sorted(found)


def _spectra(mean: F32, quick: bool) -> Iterator[tuple[float, NDArray[np.complex128]]]:
    """(tile size in pixels, (n,) complex weights of the band's frequencies) at every scale to try."""
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
    """High-pass filter a picture and normalise its local contrast.

    Parameters
    ----------
    samples : tile samples per pixel
    """
    near, far = 1.0 / samples, 1.2 / samples
    detail = picture - cv2.GaussianBlur(picture, (0, 0), near, borderType=cv2.BORDER_REFLECT)
    power = cv2.GaussianBlur(detail * detail, (0, 0), far, borderType=cv2.BORDER_REFLECT)
    return np.asarray(np.clip(detail / np.sqrt(power + _NOISE**2), -_CLIP, _CLIP), np.float32)


def _folded(calm: F32, width: int, height: int, tile: float) -> F64:
    """(SIDE, SIDE) sum of all tiles of a picture.

    Parameters
    ----------
    calm : the filtered picture, possibly reduced
    width, height : of the original picture
    tile : pixels per tile side in the original picture
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
    """(n,) complex weights a of the band's frequencies: phase and limited amplitude, with Σ|a|²/2 = 1."""
    down, across, radius = band()
    found = np.fft.rfft2(tile)[down, across]
    power = np.abs(found) ** 2
    ring = np.rint(radius).astype(np.int64)
    usual = np.bincount(ring, power) / np.maximum(1, np.bincount(ring))
    loud = np.sqrt(power / (usual[ring] + 1e-12))
    found = found / np.maximum(np.abs(found), 1e-12) * np.minimum(loud, _LOUD)
    return np.asarray(found / max(np.sqrt(np.sum(np.abs(found) ** 2) / 2), 1e-12), np.complex128)


def _correlations(weights: NDArray[np.complex128], key: F64) -> F64:
    """(SYMBOLS, SIDE, SIDE) correlation of each of the key's waves at each shift, in standard deviations."""
    down, across, _ = band()
    spectra = np.zeros((SYMBOLS, SIDE, SIDE), np.complex128)
    spectra[:, down % SIDE, across] = weights * np.exp(-1j * key)
    return np.asarray(np.fft.ifft2(spectra).real * SIDE**2, np.float64)


def _read(fits: F64, least: float) -> tuple[int | None, float] | None:
    """The best id (None if uncertain) and its z; None if z is below `least`."""
    # Upper bound: the best symbol of each wave, ignoring the checksum.
    best = fits[1:].reshape(SYMBOLS - 1, ACROSS, STEP, ACROSS, STEP).max((1, 3)).sum(0)
    promise = fits[0] + np.tile(best, (ACROSS, ACROSS))
    if promise.max() < least * math.sqrt(SYMBOLS):
        return None
    totals: dict[int, float] = {}
    for flat in np.argsort(-promise, axis=None)[:_SHIFTS].tolist():
        rows, columns = divmod(flat, SIDE)
        shifted = [np.roll(fit, (-rows, -columns), (0, 1))[::STEP, ::STEP].ravel() for fit in fits[1:]]
        likely = [np.argsort(-one)[:_CANDIDATES] for one in shifted[:-1]]
        symbols = np.stack([grid.ravel() for grid in np.meshgrid(*likely, indexing="ij")])
        total = fits[0, rows, columns] + sum(one[symbol] for one, symbol in zip(shifted, symbols, strict=False))
        total = total + shifted[-1][check_of(symbols)]
        for at in np.argsort(-total)[:2].tolist():
            ident = sum(int(symbol) << SYMBOL_BITS * n for n, symbol in enumerate(symbols[:, at]))
            totals[ident] = max(totals.get(ident, -math.inf), float(total[at]))
    (first, most), (_, second) = sorted(totals.items(), key=lambda item: -item[1])[:2]
    score = most / math.sqrt(SYMBOLS)
    if score < least:
        return None
    # Each wave's correlation has mean score/√SYMBOLS and variance 1: this is the log likelihood ratio of the two ids.
    return (first if (most - second) * score / math.sqrt(SYMBOLS) > math.log(_SURE) else None), score


assert BAND[1] < SIDE // 2
