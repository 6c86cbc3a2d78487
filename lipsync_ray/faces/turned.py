"""Faces that lie on their side, or stand on their head: a video that was turned without saying so."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from lipsync_ray.faces.detect import Detector, Faces
from lipsync_ray.media.picture import U8

TURN_SAMPLES = 3  # pictures that are looked at
UPRIGHT = 0.99  # the surest face of a picture the right way up is one by more; of one that is not, MTCNN is less sure …
TURNED = 0.998  # … and surer than this when it is turned back
EYES = 0.3  # of a face's width, between its eyes: at the wrong angle they are seen nearer together
_HOW = {
    1: ("lie on their side", "-vf transpose=cclock"),
    2: ("are upside down", "-vf hflip,vflip"),
    3: ("lie on their side", "-vf transpose=clock"),
}


def quarter_turns(pictures: Iterable[U8], detect: Detector) -> int:
    """By how many quarter turns to the left faces would stand upright; 0 where they do, or where there are none.

    Parameters
    ----------
    pictures : (h, w, 3) uint8 RGB, a few of a video
    """
    votes = np.zeros(4, int)
    for picture in pictures:
        if surest(detect(picture)) >= UPRIGHT:
            return 0
        turned = [surest(detect(np.ascontiguousarray(np.rot90(picture, turns)))) for turns in (1, 2, 3)]
        votes[1 + int(np.argmax(turned)) if max(turned) >= TURNED else 0] += 1
    best = int(np.argmax(votes))  # where most show no face at all, none are turned
    return best


def surest(faces: Faces) -> float:
    """Probability of the surest face whose eyes lie side by side; 0 where there is none."""
    apart = (faces.landmarks[:, 1, 0] - faces.landmarks[:, 0, 0]) / (faces.box[:, 2] - faces.box[:, 0])
    return float(faces.score[apart >= EYES].max(initial=0))


def sentence(turns: int) -> str:
    """What is to be said, and done, of a video whose faces stand upright after so many quarter turns to the left; "" of 0."""
    if not turns:
        return ""
    how, option = _HOW[turns]
    return f"its faces {how}: turn the video first (ffmpeg -i IN {option} OUT)"
