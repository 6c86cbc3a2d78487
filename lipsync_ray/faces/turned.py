"""Detects videos that are rotated without a rotation tag, by the orientation of their faces."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from lipsync_ray.faces.detect import Detector, Faces
from lipsync_ray.media.picture import U8

TURN_SAMPLES = 3  # frames to examine
UPRIGHT = 0.99  # an upright frame's best face has at least this score; in a rotated frame MTCNN's is lower …
TURNED = 0.998  # … and at least this after turning the frame upright
EYES = 0.3  # of the face's width: least distance between the eyes; at a wrong angle it is smaller
_HOW = {
    1: ("lie on their side", "-vf transpose=cclock"),
    2: ("are upside down", "-vf hflip,vflip"),
    3: ("lie on their side", "-vf transpose=clock"),
}


def quarter_turns(pictures: Iterable[U8], detect: Detector) -> int:
    """Number of quarter turns to the left that bring faces upright; 0 if they are upright or absent.

    Parameters
    ----------
    pictures : a few frames, each (h, w, 3) uint8 RGB
    """
    votes = np.zeros(4, int)
    for picture in pictures:
        if surest(detect(picture)) >= UPRIGHT:
            return 0
        turned = [surest(detect(np.ascontiguousarray(np.rot90(picture, turns)))) for turns in (1, 2, 3)]
        votes[1 + int(np.argmax(turned)) if max(turned) >= TURNED else 0] += 1
    best = int(np.argmax(votes))  # 0 if most frames have no face at any angle
    return best


def surest(faces: Faces) -> float:
    """Highest score among faces whose eyes are side by side; 0 without one."""
    apart = (faces.landmarks[:, 1, 0] - faces.landmarks[:, 0, 0]) / (faces.box[:, 2] - faces.box[:, 0])
    return float(faces.score[apart >= EYES].max(initial=0))


def sentence(turns: int) -> str:
    """Describe a rotated video and how to correct it.

    Parameters
    ----------
    turns : quarter turns to the left, from :func:`quarter_turns`; 0 gives ""
    """
    if not turns:
        return ""
    how, option = _HOW[turns]
    return f"its faces {how}: turn the video first (ffmpeg -i IN {option} OUT)"
