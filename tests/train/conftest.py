"""Clips made of numbers: a lower lip, and a dark mouth in a picture, that follow the loudness of a sound."""

from fractions import Fraction

import cv2
import numpy as np
import pytest

from lipsync_ray.faces.mesh import SPEAKING
from lipsync_ray.faces.patch import INSIDE
from lipsync_ray.io import storage
from lipsync_ray.jobs.train.clip_features import FACE, ClipFeatures
from lipsync_ray.jobs.train.corpus import make_corpus

CLIPS, FRAMES, PEOPLE = 30, 36, 5


@pytest.fixture(autouse=True)
def on_one_thread(one_thread):
    """Every test of training."""


@pytest.fixture(scope="session")
def seen(tmp_path_factory):
    """URLs of what was seen of thirty clips; people differ by their likeness, and by the colour of their faces."""
    folder = tmp_path_factory.mktemp("seen")
    rng = np.random.default_rng(0)
    likenesses = rng.integers(0, 255, (PEOPLE, 32, 32, 3))
    lower = [SPEAKING.index(number) for number in (14, 17, 87, 317)]
    urls = []
    for clip in range(CLIPS):
        rate = Fraction(25) if clip % 2 else Fraction(30000, 1001)
        columns = int(FRAMES * 80 / rate)
        loud = np.convolve(rng.normal(0, 1, columns + 15), np.hanning(16) / 4, "valid")
        mel = np.clip(-1.5 + loud[:, None] + rng.normal(0, 0.1, (columns, 80)), -4, 4).astype(np.float32)
        opening = loud[np.minimum((np.arange(FRAMES) * 80 / rate).astype(int), columns - 1)]
        lips = np.tile(rng.normal(0, 0.2, (1, len(SPEAKING), 2)), (FRAMES, 1, 1))
        lips[:, lower, 1] += 0.05 * opening[:, None]
        lips[5] = np.nan if clip == 3 else lips[5]
        skin = 90 + 25 * (clip % PEOPLE)
        faces = np.stack([mouth_of(FACE, skin, value, (56, 80)) for value in opening])
        mouths = np.stack([mouth_of(64, skin, value, (32, 32))[..., 0] for value in opening])
        insides = np.stack([mouth_of(INSIDE, skin, value, (INSIDE // 2, INSIDE // 2)) for value in opening])
        tones = np.tile(np.array([skin, 0.1, -10, 15], np.float32), (FRAMES, 1))
        likeness = np.clip(likenesses[clip % PEOPLE] + rng.normal(0, 20, (32, 32, 3)), 0, 255).astype(np.uint8)
        url = str(folder / f"{clip}.npz")
        made = ClipFeatures(lips.astype(np.float32), mel, likeness, rate, faces, mouths, insides, tones)
        storage.commit_bytes(url, made.to_bytes())
        urls.append(url)
    return urls


def mouth_of(side, skin, opening, centre):
    """A face of one grey with a dark ellipse, the higher the larger `opening`."""
    picture = np.full((side, side, 3), skin, np.uint8)
    tall = int(np.clip(6 + 5 * opening, 1, 14))
    cv2.ellipse(picture, centre, (14, tall), 0, 0, 360, (30, 20, 60), -1)
    return picture


@pytest.fixture(scope="session")
def corpus_of(seen, tmp_path_factory):
    """kind of pictures → the clips as a corpus."""
    made = {}

    def of(pictures=None):
        if pictures not in made:
            folder = tmp_path_factory.mktemp("corpus")
            made[pictures] = make_corpus(folder, seen, [None] * CLIPS, 0.2, 0, pictures)
        return made[pictures]

    return of


@pytest.fixture(scope="session")
def corpus(corpus_of):
    return corpus_of()
