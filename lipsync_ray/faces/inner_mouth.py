"""The look of an inner mouth: upper teeth fixed to the skull, lower teeth and tongue to the jaw, the lips' shadows.

Formulas of a pixel's place whose numbers, the dials, are learnt (:mod:`lipsync_ray.faces.mouth_painter`). They use plain
arithmetic, so that one text serves numpy, which draws, and torch, which learns. Lengths are in eye distances: some 90 mm
of an adult. The teeth's widths and edges are those of dental anatomy, because training pictures are too small for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

# Ranges of the dials. Brightness is relative to the cheeks', colour to their distance from grey.
PERSONAL: Mapping[str, tuple[float, float]] = {  # of a person
    "edge": (0.045, 0.065),  # of the upper incisors, below the line between the closed lips
    "arch": (0.2, 0.4),  # how much higher the edge is to the sides
    "wide": (0.22, 0.28),  # half the visible width of the upper teeth
    "upper_luma": (1.0, 1.25),
    "lower_luma": (0.5, 0.9),
    "lower_arch": (0.3, 1.0),
    "lower_wide": (0.14, 0.24),
    "teeth_u": (0.3, 0.8),
    "teeth_v": (0.3, 0.65),
    "farther": (0.3, 0.6),  # brightness that teeth lose towards the sides
}
MOMENTARY: Mapping[str, tuple[float, float]] = {  # of the lips' shape
    "lower_height": (-0.015, 0.025),  # of the lower teeth above the lower lip
    "tongue_height": (0.03, 0.12),
    "tongue_soft": (0.08, 0.16),
    "tongue_luma": (0.3, 0.45),
    "tongue_u": (0.3, 0.9),
    "tongue_v": (1.25, 1.5),
    "back": (0.05, 0.14),  # brightness of the throat
    "back_u": (0.3, 0.7),
    "back_v": (0.8, 1.1),
    "shade_up": (0.15, 0.5),  # brightness lost at the upper lip
    "shade_up_far": (0.02, 0.065),  # how far this reaches
    "shade_low": (0.15, 0.6),
    "shade_low_far": (0.015, 0.05),
    "shade_corner": (0.3, 0.9),
}

_UPPER_WIDTH, _LOWER_WIDTH = 0.088, 0.055  # of the middle incisors
_NARROWER = 2.0  # how quickly teeth appear narrower to the sides, where the row turns away
# Brightness lost between two teeth, over this part of a tooth: by the gap, and by the teeth's round sides
_GROOVES = ((0.14, 0.07), (0.12, 0.4))
_LATERAL, _NOTCH, _NOTCH_WIDTH = 0.008, 0.009, 0.3  # shorter lateral incisors; gaps between the teeth's corners
_TONGUE = 0.85  # how much of the throat it hides
_ROUND = 0.4  # brightness that the tongue loses at its sides
_TRANSLUCENT, _TRANSLUCENT_HEIGHT = 0.12, 0.05  # brightness lost at the teeth's edge
_SOFT = 0.012  # edges of teeth
_SIDE_AT = 0.3  # from the middle, where a mouth is as bright as that cheek
# Teeth vary less in brightness than skin does. Training clips show too few kinds of skin to learn by how much.
_USUAL_SKIN, _CONTRAST = 110.0, 0.4
_UPPER_FADE, _LOWER_FADE = 0.1, 0.08  # over which a row of teeth gets dark at its ends


class Spots(NamedTuple):
    """Places of pixels, as arrays or tensors of one shape.

    Attributes
    ----------
    x, y : to the right of the mouth's middle and below the line between the closed lips, in the skull's frame
    above, below : distances to the upper and to the lower lip, positive between them
    across : −1 and 1 at the corners of the mouth
    pixel : size of a pixel
    """

    x: Any
    y: Any
    above: Any
    below: Any
    across: Any
    pixel: float


def inner_mouth(at: Spots, dials: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    """Luma relative to the cheeks', and factors of the cheeks' U − 128 and V − 128, of the shape of `at`.

    Parameters
    ----------
    dials : of the names in :data:`PERSONAL` and :data:`MOMENTARY`; numbers, or tensors that broadcast
    """
    d, side = dials, abs(at.x)
    look = at.x * 0 + d["back"], at.x * 0 + d["back_u"], at.x * 0 + d["back_v"]
    round_ = (1 - at.across * at.across).clip(0, 1)
    tongue = _TONGUE * _step((d["tongue_height"] * round_ - at.below) / d["tongue_soft"] + 0.5)
    look = _over(look, tongue, (d["tongue_luma"] * (1 - _ROUND * (1 - round_)), d["tongue_u"], d["tongue_v"]))
    soft = _SOFT + at.pixel
    number, beside = _tooth(at.x, _LOWER_WIDTH)
    edge = d["lower_height"] - d["lower_arch"] * at.x * at.x
    lower = _step((d["lower_wide"] - side) / _LOWER_FADE) * _step((edge - at.below) / soft + 0.5)
    luma = d["lower_luma"] * _grooved(beside, _LOWER_WIDTH, at.pixel)
    look = _over(look, lower, (luma, d["teeth_u"], d["teeth_v"]))
    number, beside = _tooth(at.x, _UPPER_WIDTH)
    edge = d["edge"] - d["arch"] * at.x * at.x - _LATERAL * _step(1 - abs(number - 1.5))
    edge = edge - _NOTCH * (1 - _step(beside / _NOTCH_WIDTH))
    upper = _step((d["wide"] - side) / _UPPER_FADE) * _step((edge - at.y) / soft + 0.5)
    luma = d["upper_luma"] * _grooved(beside, _UPPER_WIDTH, at.pixel)
    luma = luma * (1 - d["farther"] * (side / 0.3) * (side / 0.3)).clip(0.2, 1)
    luma = luma * (1 - _TRANSLUCENT * _step(1 - (edge - at.y) / _TRANSLUCENT_HEIGHT))
    luma, u, v = _over(look, upper, (luma, d["teeth_u"], d["teeth_v"]))
    shade = 1 - d["shade_up"] * (1 - _step(at.above / d["shade_up_far"]))
    shade = shade * (1 - d["shade_low"] * (1 - _step(at.below / d["shade_low_far"])))
    corner = at.across * at.across
    return luma * shade * (1 - d["shade_corner"] * corner * corner), u, v


def brighter(skin: Any) -> Any:
    """How much brighter teeth are relative to skin of this luma than to usual skin."""
    return (skin / _USUAL_SKIN) ** -_CONTRAST


def lit(x: Any, side: Any) -> Any:
    """Brightness of a mouth relative to the mean of the cheeks', where the right one is brighter by `side` of their sum."""
    return 1 + side * (x / _SIDE_AT).clip(-1, 1)


def _step(part: Any) -> Any:
    """As :func:`~lipsync_ray.faces.easing.smoothstep`, of tensors, too."""
    t = part.clip(0, 1)
    return t * t * (3 - 2 * t)


def _over(below: tuple[Any, Any, Any], weight: Any, above: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
    luma, u, v = (a + weight * (b - a) for a, b in zip(below, above, strict=True))
    return luma, u, v


def _tooth(x: Any, width: float) -> tuple[Any, Any]:
    """Number of teeth between x and the middle, and the distance to the nearest gap between two, in teeth."""
    number = x / width * (1 + _NARROWER * x * x)
    return abs(number), abs(number - number.round())


def _grooved(beside: Any, width: float, pixel: float) -> Any:
    """Brightness beside a gap between two teeth; a gap narrower than a pixel is wider and fainter."""
    bright = 1.0
    for lost, part in _GROOVES:
        wide = part + pixel / width
        bright = bright * (1 - lost * (part / wide) * (1 - _step(beside / wide)))
    return bright
