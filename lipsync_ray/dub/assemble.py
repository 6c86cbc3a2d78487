"""What is done when the last segment of a dub has arrived: join its parts under the audio."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from lipsync_ray.errors import EncodeError
from lipsync_ray.io import storage
from lipsync_ray.media.join import AudioTrack, Part, join
from lipsync_ray.restoration.previews import join_rows


@dataclass(frozen=True)
class VideoOrder:
    """A video to put together.

    Attributes
    ----------
    key : id of the dub
    parts : (first frame, url) of its parts, in order
    frames : that it must have
    rate : frames/s
    track : its audio
    url : where it is committed
    pictures : the folder of its before-and-after, where it has one
    """

    key: str
    parts: tuple[tuple[int, str], ...]
    frames: int
    rate: Fraction
    track: AudioTrack
    url: str
    pictures: str | None = None


def make_video(order: VideoOrder) -> str:
    """Join a dub's parts under its audio and commit the mp4; the parts stay until the dub is recorded as done.

    Raises
    ------
    EncodeError : the parts do not add up to the frames that were planned
    """
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / storage.name_of(order.url)
        parts = (Part(start, lambda url=url: storage.read_bytes(url)) for start, url in order.parts)  # type: ignore[misc]
        frames = join(parts, order.rate, order.track, path)
        if frames != order.frames:
            raise EncodeError(f"{order.key}: {frames} frames in its parts, {order.frames} planned")
        storage.commit_file(path, order.url)
    if order.pictures is not None:
        join_rows(order.pictures, order.key)
    return order.url
