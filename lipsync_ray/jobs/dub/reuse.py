"""Parts of a dub's earlier version that would come out the same: cut out of the earlier video instead of being made again.

A part is the same where all that decides its pixels is: settings, networks, source frames, faces, and what those faces hear in it. A
changed line of a dub therefore costs the parts that it sounds in.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from lipsync_ray.faces.sight import FADE
from lipsync_ray.io import storage
from lipsync_ray.io.results import PartIdentity
from lipsync_ray.jobs.dub.segment import SegmentFaces
from lipsync_ray.jobs.dub.stages import heard_by, pauses_in
from lipsync_ray.media.cut import Cutter

if TYPE_CHECKING:  # torch, which nothing here needs
    from lipsync_ray.models.lip_sync import AudioWindow


@dataclass(frozen=True)
class PartsPlan:
    """All rows of a dub, and what decides their pixels besides what a row says.

    Attributes
    ----------
    rows : in order
    window : of sound that the generator hears a frame by
    recipe : digest of settings, networks and the source video
    """

    rows: tuple[SegmentFaces, ...]
    window: AudioWindow
    recipe: str

    def identities(self) -> tuple[PartIdentity, ...]:
        """Of each row's part; reads the features of the dub's sounds."""
        return tuple(PartIdentity(row.start, row.stop, self._digest(row)) for row in self.rows)

    def _digest(self, row: SegmentFaces) -> str:
        out = hashlib.sha256(self.recipe.encode())
        shown = row.faces[0].source_frames()
        out.update(shown.tobytes())
        out.update(str(row.faces[0].marks).encode())
        for face in row.faces:
            out.update(repr((face.table, face.method_input, face.chosen, face.box, face.pauses, face.blend)).encode())
            frames = np.arange(face.stop - face.start)
            if (spoken := face.spoken) is not None:
                # How much is drawn depends on the frames beside: it fades at both ends of a span.
                beside = shown[:, None] + np.arange(-FADE - 1, FADE + 2)
                out.update(np.packbits(spoken[beside.clip(0, len(spoken) - 1)]).tobytes())
                frames = frames[spoken[shown]]
            out.update(heard_by(face, frames, self.window).tobytes())
            out.update(pauses_in(face, frames).tobytes())
        return out.hexdigest()[:16]


@dataclass(frozen=True)
class ReuseOrder:
    """Parts to take from a dub's earlier version.

    Attributes
    ----------
    key : id of the dub
    plan : of what is to be made now
    before : parts of the earlier version
    video : URL of that version
    rate : frames/s
    """

    key: str
    plan: PartsPlan
    before: tuple[PartIdentity, ...]
    video: str
    rate: Fraction


def reuse_parts(order: ReuseOrder) -> int:
    """Commit the parts that are the same as before; returns how many.

    Raises
    ------
    EncodeError, StorageError : the earlier video cannot be read
    """
    before = set(order.before)
    rows = zip(order.plan.rows, order.plan.identities(), strict=True)
    same = [row for row, now in rows if now in before and not row.faces[0].previews]
    if not same:
        return 0
    sets_id = same[0].faces[0].sets_id
    cutter = Cutter(storage.read_bytes(order.video), order.rate, sets_id or None)
    taken = 0
    for row in same:
        part = cutter.part(row.start, row.stop)
        if part is not None:
            storage.commit_bytes(row.url, part)
            taken += 1
    return taken
