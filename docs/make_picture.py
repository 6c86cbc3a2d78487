"""Make docs/picture.png: the demo's portrait, and the same frames speaking English and Korean.

uv run python docs/make_picture.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import cv2
import numpy as np

import lipsync_ray
from lipsync_ray.demo.corpus import make_corpus
from lipsync_ray.media import decode
from lipsync_ray.media.probe import probe_video

COLUMNS, FIRST, EVERY = 6, 10, 12  # frames
BOX = (slice(92, 360), slice(40, 308))  # rows and columns of the 384-pixel video
SIDE = 220  # pixels a tile
RIM = 4


def frames_of(path: Path, numbers: list[int]) -> list[np.ndarray]:
    info = probe_video(str(path))
    return [picture.bgr() for picture in decode.pictures_at(info, numbers)]


def row(pictures: list[np.ndarray]) -> np.ndarray:
    tiles = [cv2.resize(picture[BOX], (SIDE, SIDE), interpolation=cv2.INTER_AREA) for picture in pictures]
    return np.hstack(
        [cv2.copyMakeBorder(tile, 0, RIM, 0, RIM, cv2.BORDER_CONSTANT, value=(255,) * 3) for tile in tiles]
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        make_corpus(folder)
        rows = []
        numbers = [FIRST + EVERY * column for column in range(COLUMNS)]
        rows.append(row(frames_of(folder / "pan.mp4", numbers)))
        for language in ("en", "ko"):
            out = folder / f"{language}.mp4"
            lipsync_ray.dub(folder / "pan.mp4", folder / f"{language}.ogg", out, model="warp")
            rows.append(row(frames_of(out, numbers)))
        cv2.imwrite(str(Path(__file__).with_name("picture.png")), np.vstack(rows))


if __name__ == "__main__":
    main()
