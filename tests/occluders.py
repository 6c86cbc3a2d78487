"""What comes before mouths, drawn: the kinds that a network is taught with, and others that it is measured on.

Every kind draws onto a face's square of 192 pixels (:func:`lipsync_ray.faces.mesh.cut_square`) and says how opaque each
pixel of it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

SIDE = 192
Rng = np.random.Generator
Drawn = tuple[Any, Any]
"""(192, 192, 3) float32 colours in 0–255, and (192, 192) float32 opacity in 0–1."""
Kind = Callable[[Rng, Any, Any, Any], Drawn]
"""Draws: random numbers, the face's square, the point that is to be covered, another picture whose texture may be used."""


def noise(rng: Rng, cell: float, amount: float) -> Any:
    """(192, 192, 1) smooth noise."""
    few = max(2, int(SIDE / cell))
    return cv2.resize(
        rng.normal(0, amount, (few, few)).astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC
    )[..., None]


def skin(rng: Rng, face: Any) -> Any:
    """The colour of this face's own cheek, or of another person's hand."""
    own = np.median(face[95:110, 60:75].reshape(-1, 3), axis=0)
    if rng.random() < 0.35:
        own = np.array((rng.uniform(70, 235), 0, 0)) * (1, 0, 0) + (0, 1, 1)
        own[1], own[2] = own[0] * rng.uniform(0.62, 0.85), own[0] * rng.uniform(0.42, 0.78)
    return (own * rng.uniform(0.7, 1.25) * rng.uniform(0.94, 1.06, 3)).clip(5, 250)


def colour(rng: Rng) -> Any:
    return rng.uniform(0, 255, 3) if rng.random() < 0.5 else np.full(3, rng.uniform(5, 250)) + rng.normal(0, 12, 3)


def textured(rng: Rng, base: Any) -> Any:
    """A surface of about one colour."""
    out = np.broadcast_to(np.asarray(base, np.float32), (SIDE, SIDE, 3)).copy()
    out *= 1 + noise(rng, rng.uniform(20, 90), rng.uniform(0.02, 0.22))
    if rng.random() < 0.6:
        out += noise(rng, rng.uniform(1.5, 8), rng.uniform(1, 10))
    return out


def outline(rng: Rng, at: Any, size: float) -> Any:
    """(192, 192) float32 of a random closed form around a point."""
    corners = int(rng.integers(3, 10))
    turn = np.sort(rng.uniform(0, 2 * np.pi, corners))
    reach = size * rng.uniform(0.55, 1.25, corners)
    wide, tall = rng.uniform(0.6, 1.8), rng.uniform(0.5, 1.2)
    points = np.stack((np.cos(turn) * reach * wide, np.sin(turn) * reach * tall), 1) + at
    form = np.zeros((SIDE, SIDE), np.float32)
    cv2.fillPoly(form, [np.round(points).astype(np.int32)], 1.0)
    if rng.random() < 0.6:
        form = (cv2.GaussianBlur(form, (0, 0), rng.uniform(3, 9)) > 0.5).astype(np.float32)
    return form


def fingers(rng: Rng, face: Any, at: Any, other: Any) -> Drawn:
    """Some fingers beside each other, shaded round, perhaps with the back of a hand behind them."""
    base, turn = skin(rng, face), rng.uniform(0, 2 * np.pi)
    along, side = np.array((np.cos(turn), np.sin(turn))), np.array((-np.sin(turn), np.cos(turn)))
    count, width, y = int(rng.integers(1, 6)), rng.uniform(9, 21), np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    form, picture = np.zeros((SIDE, SIDE), np.float32), textured(rng, base)
    for number in range(count):
        tip = at + side * (number - (count - 1) / 2) * width * rng.uniform(0.95, 1.1) + along * rng.uniform(5, 30)
        end = tip - along * rng.uniform(60, 160) + side * rng.uniform(-14, 14)
        one = np.zeros((SIDE, SIDE), np.float32)
        cv2.line(
            one,
            tuple(np.round(tip).astype(int).tolist()),
            tuple(np.round(end).astype(int).tolist()),
            1.0,
            max(3, int(width)),
        )
        far = np.abs((y[1] - tip[0]) * side[0] + (y[0] - tip[1]) * side[1]) / (width / 2)
        shade = 1 - rng.uniform(0.1, 0.4) * np.clip(far, 0, 1.3) ** 2
        picture = np.where(one[..., None] > 0, textured(rng, base) * shade[..., None], picture)
        if rng.random() < 0.3:
            cv2.circle(
                picture,
                tuple(np.round(tip - along * 2).astype(int).tolist()),
                int(width * 0.3),
                tuple(float(c) for c in base * 1.15),
                -1,
            )
        form = np.maximum(form, one)
    if rng.random() < 0.5:
        palm = outline(rng, at - along * rng.uniform(45, 80), rng.uniform(35, 55))
        form = np.maximum(form, palm)
    return picture, form


def lump(rng: Rng, face: Any, at: Any, other: Any) -> Drawn:
    """A fist, an arm, a shoulder: skin of any form."""
    form = outline(rng, at, rng.uniform(22, 70))
    lit = np.clip(cv2.distanceTransform(form.astype(np.uint8), cv2.DIST_L2, 3) / rng.uniform(8, 25), 0, 1)[..., None]
    return textured(rng, skin(rng, face)) * (1 - rng.uniform(0, 0.45) * (1 - lit)), form


def ball(rng: Rng, face: Any, at: Any, other: Any) -> Drawn:
    """A microphone's ball of foam or mesh, with its grip."""
    size, form = rng.uniform(14, 46), np.zeros((SIDE, SIDE), np.float32)
    turn = rng.uniform(0.1, 3.0)
    end = at + 150 * np.array((np.cos(turn), np.sin(turn)))
    corner = tuple(np.round(at).astype(int).tolist())
    if rng.random() < 0.8:
        cv2.line(form, corner, tuple(np.round(end).astype(int).tolist()), 1.0, int(size * rng.uniform(0.4, 1.1)))
    cv2.ellipse(form, corner, (int(size), int(size * rng.uniform(0.8, 1.4))), np.degrees(turn), 0, 360, 1.0, -1)
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    base = np.full(3, rng.uniform(5, 90)) if rng.random() < 0.7 else colour(rng)
    picture = textured(rng, base) + noise(rng, rng.uniform(1, 3), rng.uniform(0, 25))
    if rng.random() < 0.4:
        picture += (
            rng.uniform(8, 40) * (((x + y) % rng.integers(3, 8) < 2) | ((x - y) % rng.integers(3, 8) < 2))[..., None]
        )
    glint = np.exp(-((x - at[0] + size / 3) ** 2 + (y - at[1] + size / 3) ** 2) / (2 * (size / 3) ** 2))
    return picture + rng.uniform(0, 70) * glint[..., None], form


def patch(rng: Rng, face: Any, at: Any, other: Any) -> Drawn:
    """A piece of another picture in any form."""
    zoom, turn = rng.uniform(0.5, 2.5), rng.uniform(0, 360)
    affine = cv2.getRotationMatrix2D((rng.uniform(20, 170), rng.uniform(20, 170)), turn, zoom)
    picture = cv2.warpAffine(other, affine, (SIDE, SIDE), borderMode=cv2.BORDER_REFLECT).astype(np.float32)
    return picture * rng.uniform(0.6, 1.3) + rng.uniform(-20, 20), outline(rng, at, rng.uniform(22, 75))


def bar(rng: Rng, face: Any, at: Any, other: Any) -> Drawn:
    """A title's bar with letters, letters alone, or a rod."""
    form, tall = np.zeros((SIDE, SIDE), np.float32), int(rng.integers(10, 60))
    y = int(at[1] - tall / 2)
    picture = textured(rng, colour(rng))
    inked = np.zeros((SIDE, SIDE), np.uint8)
    text = "".join(chr(c) for c in rng.integers(65, 123, 14))
    scale = tall / 32 * rng.uniform(0.7, 1.2)
    corner = (int(rng.integers(-40, 20)), y + int(tall * 0.8))
    cv2.putText(inked, text, corner, int(rng.integers(0, 5)), scale, 255, max(1, int(scale * 3)), cv2.LINE_AA)
    letters = inked.astype(np.float32) / 255
    if rng.random() < 0.25:  # letters alone, with a dark edge
        form = cv2.dilate(letters, np.ones((5, 5)))
    else:
        cv2.rectangle(
            form,
            (int(rng.integers(-20, 40)), y),
            (int(rng.integers(150, 220)), y + tall),
            float(rng.uniform(0.7, 1)),
            -1,
        )
    if rng.random() < 0.75:
        picture = picture + letters[..., None] * (colour(rng) - picture)
    if rng.random() < 0.35:
        affine = cv2.getRotationMatrix2D((float(at[0]), float(at[1])), float(rng.uniform(-90, 90)), 1.0)
        form, picture = (cv2.warpAffine(one, affine, (SIDE, SIDE)) for one in (form, picture))
    return picture, form


def surface(rng: Rng, face: Any, at: Any, other: Any) -> Drawn:
    """Stripes, checks, gradients and noise in any form."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    turn, wave = rng.uniform(0, np.pi), rng.uniform(4, 60)
    course = np.sin((x * np.cos(turn) + y * np.sin(turn)) * 2 * np.pi / wave + rng.uniform(0, 6))
    if rng.random() < 0.5:
        course = np.sign(course)
    part = (course * rng.uniform(0, 0.5) + 0.5)[..., None]
    picture = textured(rng, colour(rng)) * part + textured(rng, colour(rng)) * (1 - part)
    return picture, outline(rng, at, rng.uniform(22, 75))


def cloth(rng: Rng, face: Any, at: Any, other: Any) -> Drawn:
    """A mask of cloth from the nose to below the chin."""
    top = np.array(((-48, -24), (-20, -34), (0, -38), (20, -34), (48, -24))) * rng.uniform(0.85, 1.15, 2)
    below = np.array(((44, 20), (25, 46), (0, 56), (-25, 46), (-44, 20))) * rng.uniform(0.85, 1.15, 2)
    form = np.zeros((SIDE, SIDE), np.float32)
    cv2.fillPoly(form, [np.round(np.concatenate((top, below)) + at).astype(np.int32)], 1.0)
    form = (cv2.GaussianBlur(form, (0, 0), 4) > 0.5).astype(np.float32)
    base = np.full(3, rng.uniform(15, 245)) * rng.uniform(0.85, 1.1, 3)
    return textured(rng, base) * (1 + noise(rng, rng.uniform(12, 30), 0.12)), form


def solid(rng: Rng, face: Any, at: Any, other: Any) -> Drawn:
    """A body of one colour, often as red as lips, shaded towards its edge or to one side, perhaps with highlights."""
    form = outline(rng, at, rng.uniform(22, 60))
    base = (
        rng.uniform(20, 250, 3) if rng.random() < 0.5 else np.array((rng.uniform(110, 230), *rng.uniform(15, 110, 2)))
    )
    deep = np.clip(cv2.distanceTransform(form.astype(np.uint8), cv2.DIST_L2, 3) / rng.uniform(6, 30), 0, 1)[..., None]
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    side = np.clip((x * rng.uniform(-1, 1) + y * rng.uniform(-1, 1)) / 120, -0.8, 0.8)[..., None]
    picture = textured(rng, base) * (1 - rng.uniform(0, 0.5) * (1 - deep)) * (1 + rng.uniform(0, 0.5) * side)
    for _ in range(int(rng.integers(0, 3))):
        spot = at + rng.normal(0, 12, 2)
        far = ((x - spot[0]) / rng.uniform(3, 12)) ** 2 + ((y - spot[1]) / rng.uniform(3, 20)) ** 2
        picture = picture + rng.uniform(20, 120) * np.exp(-far / 2)[..., None]
    return picture, form


TAUGHT: tuple[Kind, ...] = (fingers, fingers, lump, ball, patch, patch, bar, surface, cloth, solid, solid)


def _plane(base: Any) -> Any:
    return np.broadcast_to(np.asarray(base, np.float32), (SIDE, SIDE, 3)).copy()


def striped_hand(rng: Rng, face: Any, at: Any, other: Any) -> Drawn:
    """A rounded bar of one skin colour with three dark lines across."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    wide, tall = rng.uniform(34, 46), rng.uniform(13, 19)
    form = (((x - at[0]) / wide) ** 4 + ((y - at[1]) / tall) ** 4 < 1).astype(np.float32)
    base = np.array((181, 131, 107)) * rng.uniform(0.6, 1.2)
    return _plane(base) - 14 * ((y - at[1]) % 8 < 1.5)[..., None], form


def plain_microphone(rng: Rng, face: Any, at: Any, other: Any) -> Drawn:
    """A black ball with a fine grid on a straight grip."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    size = rng.uniform(17, 30)
    form = ((x - at[0]) ** 2 + ((y - at[1]) / 1.1) ** 2 < size**2) | ((y > at[1]) & (np.abs(x - at[0]) < size / 3))
    return _plane((16, 16, 16)) + 30 * ((x + y) % 4 < 2)[..., None], form.astype(np.float32)


def mug(rng: Rng, face: Any, at: Any, other: Any) -> Drawn:
    """A glazed mug at the lips, its rim, its handle, a line around it."""
    form, half, tall = np.zeros((SIDE, SIDE), np.float32), int(rng.uniform(24, 40)), int(rng.uniform(45, 80))
    x0, y0 = int(at[0] - half), int(at[1] - rng.uniform(8, 18))
    x = np.arange(SIDE, dtype=np.float32)[None]
    base = np.array(((240, 240, 235), (40, 70, 140), (180, 30, 30), (30, 30, 30), (220, 190, 90))[int(rng.integers(5))])
    picture = _plane(base) * (1.1 - 0.5 * np.clip(np.abs((x - at[0] + 6) / half), 0, 1.2) ** 2)[..., None]
    picture[y0 + tall // 2 : y0 + tall // 2 + 6] = 255 - base
    cv2.rectangle(form, (x0, y0), (x0 + 2 * half, y0 + tall), 1.0, -1)
    cv2.ellipse(form, (int(at[0]), y0), (half, 6), 0, 0, 360, 1.0, -1)
    cv2.ellipse(form, (x0 + 2 * half, y0 + tall // 2), (14, 18), 0, -90, 90, 1.0, 6)
    cv2.ellipse(picture, (int(at[0]), y0), (half, 6), 0, 0, 360, tuple(float(c) for c in base * 0.6), 2)
    return picture, form


def paper(rng: Rng, face: Any, at: Any, other: Any) -> Drawn:
    """A printed sheet held before the lower face."""
    picture, form = _plane(np.array((235, 232, 225)) * rng.uniform(0.6, 1.05)), np.zeros((SIDE, SIDE), np.float32)
    top, turn = int(at[1] - rng.uniform(10, 25)), float(rng.uniform(-15, 15))
    for line in range(top + 8, SIDE, 9):
        for start in range(10, 180, 14):
            cv2.line(picture, (start, line), (start + int(rng.integers(4, 12)), line), (50.0, 50.0, 60.0), 2)
    cv2.rectangle(form, (int(rng.integers(0, 50)), top), (int(rng.integers(140, 192)), SIDE), 1.0, -1)
    affine = cv2.getRotationMatrix2D((float(at[0]), float(at[1])), turn, 1.0)
    return cv2.warpAffine(picture, affine, (SIDE, SIDE)), cv2.warpAffine(form, affine, (SIDE, SIDE))


def scarf(rng: Rng, face: Any, at: Any, other: Any) -> Drawn:
    """Plaid wool in folds, drawn up to the nose."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    edge = at[1] - rng.uniform(8, 22) + 4 * np.sin(x / rng.uniform(8, 20))
    fold = 0.8 + 0.2 * np.sin((y + 0.3 * x) / rng.uniform(4, 9))
    base, second = np.array((150, 40, 40)) * rng.uniform(0.5, 1.4), np.array((40, 60, 90)) * rng.uniform(0.5, 1.6)
    plaid = (((x // 10) % 2 + (y // 10) % 2) / 2)[..., None]
    return (base * plaid + second * (1 - plaid)) * fold[..., None] + rng.normal(0, 8, (SIDE, SIDE, 1)), (
        y > edge
    ).astype(np.float32)


def telephone(rng: Rng, face: Any, at: Any, other: Any) -> Drawn:
    """A dark slab with a camera and a reflection."""
    form, picture = np.zeros((SIDE, SIDE), np.float32), _plane(np.full(3, rng.uniform(10, 60)))
    x0, y0 = int(at[0] - rng.uniform(18, 30)), int(at[1] - rng.uniform(15, 40))
    cv2.rectangle(form, (x0, y0), (x0 + int(rng.uniform(40, 60)), y0 + int(rng.uniform(75, 120))), 1.0, -1)
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    picture += (90 * np.exp(-(((x + y - at.sum()) / 14) ** 2)))[..., None]
    for lens in (10, 24):
        cv2.circle(picture, (x0 + 10, y0 + lens), 5, (120.0, 120.0, 130.0), 2)
    return picture, form


def apple(rng: Rng, face: Any, at: Any, other: Any) -> Drawn:
    """Something round to eat, with a highlight."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    size = rng.uniform(22, 34)
    far = np.hypot(x - at[0], y - at[1]) / size
    base = np.array(((190, 40, 35), (110, 160, 50), (215, 150, 70))[int(rng.integers(3))])
    glint = np.exp(-(((x - at[0] + 9) ** 2 + (y - at[1] + 11) ** 2) / 40))
    return _plane(base) * (1.1 - 0.6 * np.clip(far, 0, 1.2) ** 3)[..., None] + 90 * glint[..., None], (far < 1).astype(
        np.float32
    )


def flowers(rng: Rng, face: Any, at: Any, other: Any) -> Drawn:
    """Leaves and petals, many over each other."""
    form, picture = np.zeros((SIDE, SIDE), np.float32), _plane((0, 0, 0))
    for _ in range(70):
        place = np.round(at + rng.normal(0, 20, 2) + (0, 8)).astype(int).tolist()
        hue = np.array((60, 130, 40)) if rng.random() < 0.6 else np.array((220, 90, 140))
        leaf = (place, (int(rng.uniform(5, 11)), int(rng.uniform(3, 6))), float(rng.uniform(0, 180)), 0, 360)
        cv2.ellipse(picture, *leaf, tuple(float(c) for c in hue * rng.uniform(0.5, 1.3)), -1)
        cv2.ellipse(form, *leaf, 1.0, -1)
    return picture, form


OTHERS: dict[str, Kind] = {
    kind.__name__: kind for kind in (striped_hand, plain_microphone, mug, paper, scarf, telephone, apple, flowers)
}
