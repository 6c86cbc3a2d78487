"""What is done when the last row of a video has arrived: link its faces to a table; join its parts under the audio."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from lipsync_ray import storage
from lipsync_ray.errors import EncodeError
from lipsync_ray.faces.choose import FaceRule, choose
from lipsync_ray.faces.scan import Scan
from lipsync_ray.faces.table import read_table, write_table
from lipsync_ray.faces.track import link
from lipsync_ray.media.join import Part, Track, join
from lipsync_ray.media.probe import VideoInfo


@dataclass(frozen=True)
class TableOrder:
    """A face table to make: of `video`, from the committed scans at `parts`, to `url`."""

    key: str
    video: VideoInfo
    parts: tuple[str, ...]
    url: str


def make_table(order: TableOrder) -> str:
    """Link a video's detections, commit its face table, and clear the scans away."""
    scans = [Scan.from_bytes(storage.read_bytes(url)) for url in order.parts]
    write_table(order.url, link(Scan.joined(scans), order.video.rate))
    storage.remove(order.parts[0].rpartition("/")[0])
    return order.url


@dataclass(frozen=True)
class Choice:
    """The question who speaks in a video: the table at `url`, the rule, the size of its frames."""

    key: str
    url: str
    rule: FaceRule
    width: int
    height: int


@dataclass(frozen=True)
class Speaker:
    """Who speaks: tracks of the chosen face, in how many source frames it is seen, and how many tracks there are."""

    chosen: tuple[int, ...]
    frames: int
    tracks: int


def choose_speaker(choice: Choice) -> Speaker:
    """Read a face table and decide."""
    tracks = read_table(choice.url)
    chosen = choose(tracks, choice.rule, choice.width, choice.height)
    seen = sum(int((tracks.track == track).sum()) for track in chosen)
    return Speaker(chosen, seen, len(set(tracks.track.tolist())))


@dataclass(frozen=True)
class VideoOrder:
    """A video to put together.

    Attributes
    ----------
    dub : id
    parts : (first frame, url) of its parts, in order
    frames : that it must have
    rate : frames/s
    track : its audio
    url : where it is committed
    """

    dub: str
    parts: tuple[tuple[int, str], ...]
    frames: int
    rate: Fraction
    track: Track
    url: str


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
            raise EncodeError(f"{order.dub}: {frames} frames in its parts, {order.frames} planned")
        storage.commit_file(path, order.url)
    return order.url
