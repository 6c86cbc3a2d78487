"""Samples for a training step: windows of sound, augmented as by another voice, room and microphone; jittered faces."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.jobs.train.clip_features import FACE
from lipsync_ray.jobs.train.corpus import Corpus
from lipsync_ray.media import mel
from lipsync_ray.models.wav2lip import CROP

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
I64 = NDArray[np.int64]

_GAIN, _EQUALISER, _KNOTS, _NOISE, _BAND = 0.4, 0.35, 6, 0.2, 10  # of the mel's augmentation, ±4 being its range
_SIDES, _SHIFT = (86, 106), 5  # pixels of a kept face that become a crop; how far its centre moves
_CONTRAST, _BRIGHTNESS = 0.15, 12.0  # of pictures
_ROTATION, _ZOOM, _SLIDE = 3.0, 0.06, 2.0  # degrees, part, pixels: of a mouth's patch


def sound_windows(
    corpus: Corpus, clip: int, starts: I64, columns: int, rng: np.random.Generator | None, silent_end: bool = True
) -> F32:
    """(n, 80, columns) windows of a clip's mel from its columns `starts` on, all augmented in the same way if `rng` is
    given.
    """
    total = int(corpus.columns[clip])
    first = int(np.clip(starts.min(), 0, max(0, total - columns)))
    low = int(corpus.column[clip]) + first
    columns_in = np.array(corpus.mel[low : low + min(total - first, int(starts.max()) + columns - first)])
    if rng is not None:
        columns_in = altered(columns_in, rng)
    return np.asarray(mel.windows(columns_in, starts, first, total, columns, silent_end=silent_end), np.float32)


def altered(columns: F32, rng: np.random.Generator) -> F32:
    """Augment mel like another voice, room and microphone: gain, frequency response, noise, a missing band."""
    bend = np.interp(np.linspace(0, _KNOTS - 1, mel.BANDS), np.arange(_KNOTS), rng.uniform(-1, 1, _KNOTS)) * _EQUALISER
    change = bend + rng.uniform(-_GAIN, _GAIN) + rng.normal(0, _NOISE, columns.shape)
    out = columns + change * (columns > mel.SILENCE + 0.1)
    if rng.random() < 0.5:
        low = int(rng.integers(mel.BANDS - _BAND))
        out[:, low : low + _BAND] = mel.SILENCE + rng.uniform(0, 2)
    return np.asarray(np.clip(out, mel.SILENCE, -mel.SILENCE), np.float32)


def crops(faces: U8, rng: np.random.Generator | None) -> U8:
    """(n, 96, 96, 3) crops of (n, 112, 112, 3) faces of one clip: their middle, or all framed and lit in one other way."""
    if rng is None:
        edge = (FACE - CROP) // 2
        return np.ascontiguousarray(faces[:, edge : edge + CROP, edge : edge + CROP])
    side = int(rng.integers(_SIDES[0], _SIDES[1] + 1))
    left, top = (int(np.clip((FACE - side) // 2 + rng.integers(-_SHIFT, _SHIFT + 1), 0, FACE - side)) for _ in "xy")
    cut = faces[:, top : top + side, left : left + side, :]
    if rng.random() < 0.5:
        cut = cut[:, :, ::-1]
    how = cv2.INTER_AREA if side > CROP else cv2.INTER_LINEAR
    resized = np.stack([cv2.resize(np.ascontiguousarray(one), (CROP, CROP), interpolation=how) for one in cut])
    return _lit(resized, rng)


def mouths(patches: U8, rng: np.random.Generator | None) -> U8:
    """(n, 64, 64) patches of one clip, all turned, moved and lit in one other way where `rng` is given."""
    if rng is None:
        return np.asarray(patches)
    side = patches.shape[1]
    centre = (side - 1) / 2
    affine = cv2.getRotationMatrix2D(
        (centre, centre), float(rng.uniform(-_ROTATION, _ROTATION)), float(rng.uniform(1 - _ZOOM, 1 + _ZOOM))
    )
    affine[:, 2] += rng.uniform(-_SLIDE, _SLIDE, 2)
    if rng.random() < 0.5:
        affine = affine @ np.array([[-1, 0, side - 1], [0, 1, 0], [0, 0, 1]])
    moved = [cv2.warpAffine(one, affine, (side, side), borderMode=cv2.BORDER_REPLICATE) for one in patches]
    return _lit(np.stack(moved).astype(np.uint8), rng)


def _lit(pictures: U8, rng: np.random.Generator) -> U8:
    gain = float(rng.uniform(1 - _CONTRAST, 1 + _CONTRAST))
    offset = float(rng.uniform(-_BRIGHTNESS, _BRIGHTNESS) + 128 * (1 - gain))
    table = np.clip(np.arange(256) * gain + offset, 0, 255).round().astype(np.uint8)
    return np.asarray(table[pictures], np.uint8)


def column_of(numbers: I64, rate: float) -> I64:
    """First mel column of frames, ⌊80 · place / rate⌋."""
    return np.asarray(np.floor(numbers * mel.COLUMNS_PER_S / rate + 1e-6), np.int64)
