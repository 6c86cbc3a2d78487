"""Small pictures of a video and its reference, made while both are decoded for scoring.

They are stored as JPEGs in one file per range: a few megabytes per video of any length.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from lipsync_ray.faces.crop import square_around
from lipsync_ray.io import storage
from lipsync_ray.jobs.evaluate.face_tracks import RATE, FaceTracks, read_face_tracks
from lipsync_ray.media import decode
from lipsync_ray.media.picture import U8, Box, YuvFrame
from lipsync_ray.media.probe import VideoInfo

STRIP_FRAMES = 5  # in a strip
TILE = 200  # pixels: side of a face in the strip
PLAYER_HEIGHT = 300  # pixels
PLAYER_S = 6
LARGER = 1.5  # side of a tile relative to the face's
_QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 92]


def strip_numbers(tracks: FaceTracks) -> list[int]:
    """Grid frames of a strip: spread over those with a face."""
    there = np.unique(tracks.face_place) if len(tracks.face_place) else np.arange(len(tracks.shown))
    return there[np.linspace(0, len(there) - 1, STRIP_FRAMES + 2).round().astype(int)[1:-1]].tolist()  # type: ignore[no-any-return]


def player_length(tracks: FaceTracks) -> int:
    """Number of grid frames in a player."""
    return min(len(tracks.shown), int(PLAYER_S * RATE))


def preview_folder(folder: str, name: str) -> str:
    """Folder of a video's preview frames."""
    return storage.join(folder, name)


@dataclass
class PreviewFrames:
    """Preview frames of a video, as JPEGs; the reference is above or left of the video.

    Attributes
    ----------
    tracks : of the video
    tiles : grid frame → faces for the strip, one above the other
    halves : grid frame → frames for the player, side by side
    """

    tracks: FaceTracks
    tiles: dict[int, U8] = field(default_factory=dict)
    halves: dict[int, U8] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._strip, self._player = set(strip_numbers(self.tracks)), player_length(self.tracks)

    def add(self, number: int, picture: YuvFrame, reference: YuvFrame | None) -> None:
        """Cut the pictures needed from a grid frame."""
        sides = [picture] if reference is None else [reference, picture]
        if number in self._strip:
            boxes = self.tracks.boxes_at(number) / np.array([picture.width, picture.height] * 2)
            self.tiles[number] = _jpeg(np.concatenate([_tile(side, boxes) for side in sides]))
        if number < self._player:
            width = max(2, round(PLAYER_HEIGHT * picture.width / picture.height / 2) * 2)
            size = (width, PLAYER_HEIGHT)
            halves = [cv2.resize(side.bgr(), size, interpolation=cv2.INTER_AREA) for side in sides]
            self.halves[number] = _jpeg(np.concatenate(halves, axis=1))

    def commit(self, folder: str, start: int) -> None:
        """Commit the preview frames of the range that starts at `start`, if any."""
        named = {f"tile-{number}": data for number, data in self.tiles.items()}
        named |= {f"half-{number}": data for number, data in self.halves.items()}
        if named:
            buffer = io.BytesIO()
            np.savez(buffer, **named)  # type: ignore[arg-type]
            storage.commit_bytes(storage.join(folder, f"{start}.npz"), buffer.getvalue())

    @classmethod
    def read(cls, folder: str, tracks: str) -> PreviewFrames | None:
        """Read a video's preview frames; None if one is missing, as for a video that an earlier run scored."""
        out = cls(read_face_tracks(tracks))
        for name in storage.list_names(folder):
            with np.load(io.BytesIO(storage.read_bytes(storage.join(folder, name)))) as arrays:
                for key in arrays.files:
                    kind, _, number = key.partition("-")
                    (out.tiles if kind == "tile" else out.halves)[int(number)] = arrays[key]
        return out if out.tiles.keys() == out._strip and len(out.halves) == out._player else None


def cut_now(video: VideoInfo, reference: VideoInfo | None, tracks: str) -> PreviewFrames:
    """Decode a video and its reference only for the preview frames."""
    out = PreviewFrames(read_face_tracks(tracks))
    numbers = sorted({*strip_numbers(out.tracks), *range(player_length(out.tracks))})
    pictures = decode.pictures_at(video, out.tracks.shown[numbers].tolist())
    if reference is None:
        for number, picture in zip(numbers, pictures, strict=True):
            out.add(number, picture, None)
        return out
    source = np.minimum(out.tracks.source[numbers], reference.frames - 1)
    others = decode.pictures_at(reference, source.tolist())
    for number, picture, other in zip(numbers, pictures, others, strict=True):
        out.add(number, picture, other)
    return out


def _jpeg(picture: Any) -> U8:
    return np.asarray(cv2.imencode(".jpg", picture, _QUALITY)[1], np.uint8).reshape(-1)


def _tile(picture: YuvFrame, boxes: np.ndarray[Any, Any]) -> U8:
    """The square around the largest face; the frame's middle without one.

    Parameters
    ----------
    boxes : (k, 4) in parts of the frame
    """
    boxes = boxes * np.array([picture.width, picture.height] * 2)
    return np.asarray(
        cv2.resize(picture.bgr(_around(boxes, picture)), (TILE, TILE), interpolation=cv2.INTER_AREA), np.uint8
    )


def _around(boxes: np.ndarray[Any, Any], picture: YuvFrame) -> Box:
    width, height = picture.width, picture.height
    if not len(boxes):
        return square_around(np.array([0.0, 0.0, width, height]), 1.0, width, height)
    box = boxes[np.argmax(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1))]
    return square_around(box, LARGER, width, height)
