"""Before and after: the same face in the source, lip-synced and restored, at a few frames of a video.

A stage commits one row of tiles for each of these frames; when the video is complete they become one picture.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.crop import square_around
from lipsync_ray.io import storage
from lipsync_ray.media.picture import U8, YuvFrame

FOLDER = "pictures"
MOMENTS = 5  # frames of a video that are shown
TILE = 256  # pixels
AROUND = 1.7  # side of a tile beside the face's
LABELS = ("source", "lip-synced", "restored")
_HEADER = 26  # pixels
_GAP = 4


def preview_frames(frames: int) -> tuple[int, ...]:
    """The frames of a video that are shown: spread over it, none at its ends."""
    return tuple(sorted(set(np.linspace(0, frames - 1, MOMENTS + 2).round().astype(int)[1:-1].tolist())))


def row_url(folder: str, name: str, frame: int) -> str:
    """Where the tiles of one frame are committed."""
    return storage.join(folder, "parts", name, f"{frame:09}.png")


def strip_url(folder: str, name: str) -> str:
    """Where a video's strip is: a column a frame, one row for each of the states."""
    return storage.join(folder, f"{name}-strip.jpg")


def commit_row(url: str, pictures: Sequence[YuvFrame], box: NDArray[np.floating]) -> None:
    """Cut the same face out of several states of a frame, and commit them side by side.

    Parameters
    ----------
    pictures : in the order of their columns; a later one may be larger (enlarged)
    box : (4,) of the face in the first one
    """
    tiles = [_tile(picture, np.asarray(box, float) * picture.width / pictures[0].width) for picture in pictures]
    storage.commit_bytes(url, cv2.imencode(".png", np.concatenate(tiles, axis=1))[1].tobytes())


def _tile(picture: YuvFrame, box: NDArray[np.floating]) -> U8:
    square = square_around(box, AROUND, picture.width, picture.height)
    cut = picture.bgr(square)
    way = cv2.INTER_AREA if square.width > TILE else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(cut, (TILE, TILE), interpolation=way), np.uint8)


def join_rows(folder: str, name: str) -> str | None:
    """Put a video's rows together: ``<name>.png``, a row a frame, and ``<name>-strip.jpg``, a column a frame.

    Returns
    -------
    URL of the picture; None where no frame of it showed a restored face
    """
    parts = storage.join(folder, "parts", name)
    names = sorted(storage.list_names(parts))
    if not names:
        return None
    rows = [_read(storage.join(parts, n)) for n in names]
    columns = rows[0].shape[1] // TILE
    labels = LABELS[-columns:]
    sheet = np.concatenate([_header(labels), *(_spaced(row) for row in rows)])
    url = storage.join(folder, f"{name}.png")
    storage.commit_bytes(url, cv2.imencode(".png", sheet)[1].tobytes())
    strip = np.concatenate(
        [np.concatenate([row[:, c * TILE : (c + 1) * TILE] for row in rows], axis=1) for c in range(columns)]
    )
    storage.commit_bytes(strip_url(folder, name), cv2.imencode(".jpg", strip)[1].tobytes())
    storage.remove(parts)
    return url


def _read(url: str) -> U8:
    return np.asarray(cv2.imdecode(np.frombuffer(storage.read_bytes(url), np.uint8), cv2.IMREAD_COLOR), np.uint8)


def _spaced(row: U8) -> U8:
    return np.asarray(cv2.copyMakeBorder(row, 0, _GAP, 0, 0, cv2.BORDER_CONSTANT, value=(255, 255, 255)), np.uint8)


def _header(labels: Sequence[str]) -> U8:
    out = np.full((_HEADER, TILE * len(labels), 3), 255, np.uint8)
    for i, label in enumerate(labels):
        cv2.putText(out, label, (i * TILE + 8, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (40, 40, 40), 1, cv2.LINE_AA)
    return out
