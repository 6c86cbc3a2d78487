"""Face tables: the rows that look for faces, the stage that looks, and what links a video's detections."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from lipsync_ray.compute import one_thread
from lipsync_ray.faces import scan as faces_scan
from lipsync_ray.faces.detect import Faces, detection_size, mtcnn_detector
from lipsync_ray.faces.scan import Scan, needed, ranges_of
from lipsync_ray.faces.table import write_table
from lipsync_ray.faces.track import NO_TRACKS, link
from lipsync_ray.faces.turned import TURN_SAMPLES, UPRIGHT, quarter_turns, sentence, surest
from lipsync_ray.inputs.segments import VideoSegment
from lipsync_ray.io import storage
from lipsync_ray.media import decode, tone
from lipsync_ray.media.choices import deciding
from lipsync_ray.media.headers import Header
from lipsync_ray.media.picture import U8
from lipsync_ray.media.probe import VideoInfo

VERSION = 5  # raise when the same video would get another table: every key changes


def video_key(content: str, still_rate: Fraction) -> str:
    """What names all that a run finds out about a video; dub and analyze call a video alike.

    Parameters
    ----------
    content : identity of the file
    still_rate : frames/s, of a picture
    """
    return storage.digest(content, str(still_rate), VERSION)


def face_rows(key: str, video: VideoInfo, folder: str, seconds: float) -> list[VideoSegment]:
    """The rows that make a video's face table: ranges of whole groups of :mod:`lipsync_ray.faces.scan`."""
    return [
        VideoSegment(f"{key}-{start}", start, stop, storage.join(folder, f"{start}-{stop}.npz"), video)
        for start, stop in ranges_of(video.frames, video.rate, seconds)
    ]


@dataclass(frozen=True)
class Scanned:
    """A stretch whose scan is committed: frames looked through, and on how many the detector ran."""

    frames: int
    detected: int


class Detect:
    """Look for faces in a stretch of a source video and commit what was seen."""

    def __init__(self, device: str) -> None:
        from lipsync_ray.models.face_descriptor import Describer

        one_thread()
        self._detector, self._describer = mtcnn_detector(device), Describer(device)

    def __call__(self, row: VideoSegment) -> Scanned:
        video = row.video
        width, height = detection_size(video.width, video.height)
        issues = decode.FrameIssues()
        first, last = needed(row.start, row.stop, video.frames, video.rate)
        frames = decode.small_rgb(video, first, last, width, height, issues)
        samples: list[U8] = []
        kept = _kept(frames, first, range(row.start, row.stop), samples)
        found = faces_scan.scan(kept, row.start, row.stop, video.frames, video.rate, self._detector, self._describer)
        faces = Faces(found.box, found.landmarks, found.score)
        scale = np.array([video.width / width, video.height / height], np.float32)
        own = range(row.start, row.stop)
        found = replace(
            found,
            box=found.box * np.tile(scale, 2),
            landmarks=found.landmarks * scale,
            turned=quarter_turns(samples, self._detector) if surest(faces) < UPRIGHT else 0,
            resized=sum(place in own for place in issues.resized),
            damaged=sum(place in own for place in issues.damaged),
        )
        storage.commit_bytes(row.url, found.to_bytes())
        return Scanned(row.stop - row.start, len(found.looked))


def _kept(frames: Iterator[U8], first: int, own: range, samples: list[U8]) -> Iterator[U8]:
    """The frames as they come; of the stretch's own its first, its last and what lies evenly between are kept, too."""
    numbers = {own[place] for place in np.linspace(0, len(own) - 1, TURN_SAMPLES).round().astype(int).tolist()}
    for number, frame in enumerate(frames, first):
        if number in numbers:
            samples.append(frame)
        yield frame


def key_of_pictures(key: str, video: VideoInfo | Header) -> str:
    """The key of what is made of a video's pictures: of HDR the tone curve decides them too, of interlaced ones the filter.

    Parameters
    ----------
    key : of its content
    """
    more = [*([tone.VERSION] if video.hdr else []), *deciding(video.deinterlace)]
    return storage.digest(key, *more) if more else key


@dataclass(frozen=True)
class TableOrder:
    """A face table to make: of `video`, from the committed scans at `parts`, to `url`."""

    key: str
    video: VideoInfo
    parts: tuple[str, ...]
    url: str


def make_table(order: TableOrder) -> str:
    """Link a video's detections, commit its face table, and clear the scans away."""
    scan = Scan.joined([Scan.from_bytes(storage.read_bytes(url)) for url in order.parts])
    # What is found of faces that lie on their side are eyes and mouths at wrong places.
    tracks = NO_TRACKS if scan.turned else link(scan, order.video.rate)
    write_table(order.url, tracks, _notes(scan), sentence(scan.turned))
    storage.remove(order.parts[0].rpartition("/")[0])
    return order.url


def _notes(scan: Scan) -> list[str]:
    """What is to be said of pictures when all have been seen."""
    notes = []
    if scan.resized:
        notes.append(
            f"of its {scan.stop} frames {scan.resized} {'has' if scan.resized == 1 else 'have'} another size than the first: scaled to it"
        )
    if scan.damaged:
        notes.append(
            f"{scan.damaged} of its {scan.stop} frames {'is' if scan.damaged == 1 else 'are'} damaged, and those that follow may show it"
        )
    return notes
