"""What every mouth of a video does, beside what is heard: made row by row, and joined to the table of who speaks.

All is on a grid of 25 places a second, the rate that the sync expert knows. A row's frames say nothing of other rows', and what
is decided is decided of the whole video, so that no split changes it.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.mesh import KEPT, agrees, cut_square, gap_of, speaking_of, square_of
from lipsync_ray.faces.patch import cut_mouth
from lipsync_ray.faces.table import read_table
from lipsync_ray.faces.talking import RATE, Decision, Heard, Mouths, decide
from lipsync_ray.faces.track import Tracks
from lipsync_ray.inputs.audio_features import AudioSource, extract_audio_features
from lipsync_ray.inputs.face_tables import one_thread
from lipsync_ray.inputs.mesh_tables import PRESENT
from lipsync_ray.io import storage
from lipsync_ray.io.turns import commit_turns
from lipsync_ray.media import decode
from lipsync_ray.media.probe import VideoInfo
from lipsync_ray.media.timeline import at_rate

F32 = NDArray[np.float32]

VERSION = 1  # raise when the same video would get another table
ROW_S = 8.0  # seconds of video in one row
SMALLEST_PX = 24  # width of a face whose mouth is looked at


@dataclass(frozen=True)
class TalkingRow:
    """Frames start … stop − 1 of a video; what the mouths of all persons of `table` do in them is committed at `url`."""

    key: str
    video: VideoInfo
    table: str
    start: int
    stop: int
    url: str


class FindTalking:
    """Look at every tracked face's mouth in a row, and commit that. Keeps its networks loaded."""

    def __init__(self, device: str) -> None:
        from lipsync_ray.models.face_mesh import Mesher

        one_thread()
        self._mesher = Mesher(device)

    def __call__(self, row: TalkingRow) -> int:
        """How many mouths were seen."""
        from lipsync_ray.models.sync_judge import see

        tracks = read_table(row.table, row.start, row.stop)
        shown = at_rate(row.video.frames, row.video.rate, RATE)
        first, last = np.searchsorted(shown, (row.start, row.stop))
        places = np.arange(first, last)
        lows, highs = (np.searchsorted(tracks.frame, shown[places], side=side) for side in ("left", "right"))
        at, squares, cuts = [], [], []
        pictures = decode.pictures_at(row.video, shown[places].tolist())
        for place, low, high, picture in zip(places, lows, highs, pictures, strict=True):
            for one in range(low, high):
                if tracks.still[one] or tracks.box[one, 2] - tracks.box[one, 0] < SMALLEST_PX:
                    continue
                square = square_of(tracks.landmarks[one])
                cut = cut_square(picture, square)
                if cut is not None:
                    at.append((place, one))
                    squares.append(square)
                    cuts.append(cut)
        found = Mouths.none()
        if cuts:
            points, present = self._mesher(np.stack(cuts))
            points = points[:, list(KEPT)]
            known = [
                number
                for number, (square, (_, one)) in enumerate(zip(squares, at, strict=True))
                if present[number] >= PRESENT
                and agrees(points[number] @ square[:, :2].T + square[:, 2], tracks.landmarks[one])
            ]
            if known:
                place, one = np.array(at)[known].T
                opening = gap_of(speaking_of(points[known])).astype(np.float32)
                seen = see(np.stack([cut_mouth(cuts[number], points[number]) for number in known]))
                found = Mouths(place.astype(np.int32), tracks.track[one], opening, seen.astype(np.float16))
        storage.commit_bytes(row.url, found.to_bytes())
        return len(found.place)
