"""Detects scene cuts: changes that neither camera motion, lighting nor a continuing face explains.

Frames are compared as small grey pictures, by normalised correlation over the overlap at the best displacement (masked,
in the Fourier domain: Padfield, "Masked Object Registration in the Fourier Domain", 2012). Correlation ignores
brightness and contrast; the displacement compensates pans and hand-held cameras. As in PySceneDetect's AdaptiveDetector
a frame has to differ much more than the frames around it, so that people who walk through make no cut. The most similar
pair of frames across the cut counts, so that neither a camera flash nor a damaged frame makes one.

In doubtful cases faces decide: the same face before and after, by pixel correlation, is no cut. Decisions depend on
:func:`window` frames before and after.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.detect import Faces
from lipsync_ray.media.picture import U8

F32 = NDArray[np.float32]

SIDE = 32  # pixels: the longer side of the small pictures
AROUND = 4  # frames compared on either side, a 25th of a second apart
OVERLAP = 0.45  # of the picture, at least, at any displacement
ALIKE = 0.97  # correlation without displacement, above which none is searched
FLAT = 2.0  # grey levels of deviation below which a picture has nothing to correlate
SAME_GREY = 12.0  # levels between two flat pictures that are the same
# Differences are 1 − correlation.
SUSPECT, APART = 0.02, 2.0  # a frame worth a closer look: its difference; that in the median of those around
# Difference across a cut that suffices; if no face continues; if the faces also jump …
CUT, BARE, LEAP = 0.45, 0.2, 0.05
# … compared with the difference within either side: for a cut; for a jump, which needs stillness around it
CLEAR, STILL = 2.0, 20.0
# Correlation of a face with the previous frame: above, it continues; below, it jumps
GOES_ON, LEAPS = 0.9, 0.8
_FACE, _MARGIN = 32, 6  # pixels: side of the faces compared, and how far they may have moved


def small(frame: U8) -> F32:
    """A small grey picture of (h, w, 3) uint8 RGB."""
    height, width = frame.shape[:2]
    scale = SIDE / max(height, width)
    size = max(8, round(width * scale)), max(8, round(height * scale))
    return np.asarray(
        cv2.cvtColor(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY), np.float32
    )


def window(rate: Fraction) -> tuple[int, int]:
    """Number of frames before and after a group that its cuts depend on."""
    return 1 + (AROUND - 1) * _stride(rate), (AROUND - 1) * _stride(rate)


def _stride(rate: Fraction) -> int:
    return max(1, round(rate / 25))


def difference(a: F32, b: F32) -> float:
    """Difference of two small pictures: 1 − correlation at the best displacement."""
    flat = [float(picture.std()) < FLAT for picture in (a, b)]
    if all(flat):
        return 0.0 if abs(float(a.mean()) - float(b.mean())) < SAME_GREY else 1.0
    if any(flat):
        return 1.0
    a, b = a - a.mean(), b - b.mean()
    unmoved = float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))
    return 1 - (unmoved if unmoved > ALIKE else max(unmoved, _displaced(a, b)))


def _displaced(a: F32, b: F32) -> float:
    """Highest correlation over the overlap of two zero-mean pictures, over all displacements."""
    height, width = a.shape
    shape = cv2.getOptimalDFTSize(2 * height - 1), cv2.getOptimalDFTSize(2 * width - 1)
    planes = np.zeros((5, *shape), np.float32)
    planes[:, :height, :width] = a, a * a, np.ones_like(a), b, b * b
    of_a, of_a2, mask, of_b, of_b2 = np.fft.rfft2(planes)
    of_b, of_b2, other = of_b.conj(), of_b2.conj(), mask.conj()
    products = np.stack((of_a * of_b, of_a * other, mask * of_b, of_a2 * other, mask * of_b2))
    both, sum_a, sum_b, squares_a, squares_b = np.fft.irfft2(products, shape)
    pixels = np.outer(*(_common(length, size) for length, size in zip((height, width), shape, strict=True)))
    enough = pixels >= OVERLAP * height * width
    pixels = np.maximum(pixels, 1)
    spread_a, spread_b = squares_a - sum_a**2 / pixels, squares_b - sum_b**2 / pixels
    textured = enough & (np.minimum(spread_a, spread_b) > FLAT**2 * pixels)
    scale = np.sqrt(np.maximum(spread_a, 1) * np.maximum(spread_b, 1))
    return float(np.where(textured, (both - sum_a * sum_b / pixels) / scale, -1).max())


def _common(length: int, size: int) -> NDArray[np.float64]:
    """How many rows (or columns) overlap at each displacement, in the order of a Fourier transform of `size`."""
    offset = np.arange(size)
    return np.asarray(np.maximum(length - np.minimum(offset, size - offset), 0), np.float64)


class CutFinder:
    """Finds cuts of a video whose frames are added in order.

    Parameters
    ----------
    rate : frames/s
    total : frames of the video
    """

    def __init__(self, rate: Fraction, total: int) -> None:
        self._stride, self._total = _stride(rate), total
        self._pictures: dict[int, F32] = {}
        self._known: dict[tuple[int, int], float] = {}

    def add(self, number: int, frame: U8) -> None:
        """Keep a small picture of (h, w, 3) uint8 RGB."""
        self._pictures[number] = small(frame)

    def forget(self, before: int) -> None:
        """Drop frames below that number."""
        self._pictures = {number: picture for number, picture in self._pictures.items() if number >= before}
        self._known = {pair: value for pair, value in self._known.items() if pair[0] >= before}

    def is_cut(self, number: int, likeness: Callable[[], float | None]) -> bool:
        """Whether a frame begins a scene.

        Parameters
        ----------
        number : of the frame; all existing frames within :func:`window` must have been added
        likeness : called in doubtful cases: :func:`faces_alike` of the previous frame and this one
        """
        step = self._between(number - 1, number)
        if step <= SUSPECT:
            return False
        near = [n for n in range(number - AROUND + 1, number + AROUND) if n != number and 0 < n < self._total]
        if near and step <= APART * float(np.median([self._between(n - 1, n) for n in near])):
            return False
        before = [number - 1 - i * self._stride for i in range(AROUND)]
        after = [number + i * self._stride for i in range(AROUND)]
        before, after = ([n for n in side if 0 <= n < self._total] for side in (before, after))
        across = min(self._between(a, b) for a in before for b in after)
        inside = max(
            min((self._between(*sorted(pair)) for pair in itertools.combinations(side, 2)), default=0.0)
            for side in (before, after)
        )
        if across <= LEAP or across <= CLEAR * inside:
            return False
        if across > CUT:
            return True
        if across <= BARE and across <= STILL * inside:
            return False
        alike = likeness()
        if alike is None:
            return across > BARE
        return alike < (GOES_ON if across > BARE else LEAPS)

    def _between(self, a: int, b: int) -> float:
        if (a, b) not in self._known:
            self._known[a, b] = difference(self._pictures[a], self._pictures[b])
        return self._known[a, b]


def faces_alike(before: U8, after: U8, faces: Faces, later: Faces) -> float | None:
    """Highest correlation of a frame's faces with their surroundings in the next frame; None if either has no face.

    Parameters
    ----------
    before, after : (h, w, 3) uint8 RGB
    faces, later : theirs; the largest two of `faces` count
    """
    if not len(faces) or not len(later):
        return None
    largest = np.argsort(-(faces.box[:, 2] - faces.box[:, 0]), kind="stable")[:2]
    return max(_likeness(before, after, faces.box[i]) for i in largest)


def _likeness(before: U8, after: U8, box: F32) -> float:
    """Highest correlation of a face with the surroundings of its position in the next frame."""
    side = float((box[2:] - box[:2]).mean())
    centre = (box[:2] + box[2:]) / 2
    wide = _FACE + 2 * _MARGIN
    known, there = (_patch(picture, np.asarray(centre, np.float32), side, wide) for picture in (before, after))
    inner = known[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
    if inner.std() < FLAT:
        return 0.0
    return float(cv2.matchTemplate(there, inner, cv2.TM_CCOEFF_NORMED).max())


def _patch(picture: U8, centre: F32, side: float, pixels: int) -> F32:
    """(pixels, pixels) grey around a face, scaled so that its side is _FACE pixels."""
    scale = side / _FACE
    corner = centre - scale * pixels / 2
    turn = np.array([[scale, 0, corner[0]], [0, scale, corner[1]]])
    flags = cv2.INTER_AREA | cv2.WARP_INVERSE_MAP
    cut = cv2.warpAffine(picture, turn, (pixels, pixels), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.cvtColor(cut, cv2.COLOR_RGB2GRAY), np.float32)
