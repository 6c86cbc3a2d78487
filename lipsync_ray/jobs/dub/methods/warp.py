"""Lips that are moved: how each is to be is heard, and the frame's own pixels go there. The bundled `warp`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.engine.resources import Layout
from lipsync_ray.engine.stages import StageSpec
from lipsync_ray.faces.closed_lips import closings
from lipsync_ray.faces.lip_basis import LipBasis
from lipsync_ray.faces.mesh import heads_of
from lipsync_ray.faces.mouth import Mouth
from lipsync_ray.faces.mouth_inside import Inside, inside_of, mouth_box
from lipsync_ray.faces.mouth_painter import MouthPainter
from lipsync_ray.faces.warp import LipWarp
from lipsync_ray.inputs.mesh_tables import MeshTable
from lipsync_ray.jobs.dub.drawn import Boxes, drawn_faces
from lipsync_ray.jobs.dub.methods.method import Method, Where
from lipsync_ray.jobs.dub.segment import Segment
from lipsync_ray.jobs.dub.stages import DrawnFaces, Generating, drawable, heard_by, pauses_in
from lipsync_ray.media import decode
from lipsync_ray.media.picture import YuvFrame
from lipsync_ray.media.probe import VideoInfo

F32 = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class MovedLips(DrawnFaces):
    """A segment and how its lips are to be.

    Attributes
    ----------
    poses : (m, k) float32 lip poses
    silence : (m,) float32 how far each mouth is to be closed, 0 to 1
    closure : (m,) float32 how far the lips are to meet, 0 to 1, or to be kept apart, to −1
    basis : what they are told in
    painter : of inner mouths that the video never shows
    """

    poses: F32
    silence: F32
    closure: F32
    basis: LipBasis
    painter: MouthPainter | None

    @cached_property
    def _warping(self) -> tuple[_Warping, list[int]]:
        return _Warping(self.row, self.basis, self.painter), self.row.source_frames()[self.places].tolist()

    def paint(self, face: int, picture: YuvFrame) -> None:
        warp, shown = self._warping
        how = (float(values[face]) for values in (self.silence, self.strength, self.closure))
        warp.draw(shown[face], picture, self.poses[face], *how)


def closing(segment: Segment, basis: LipBasis) -> Callable[[int, YuvFrame], YuvFrame]:
    """Source frame number and picture ↦ the picture with its mouth closed; as it is where it has no mesh."""
    warp = _Warping(segment, basis)
    rest = np.zeros(len(basis.directions), np.float32)

    def close(source: int, picture: YuvFrame) -> YuvFrame:
        if warp.tracks[source] < 0:
            return picture
        closed = picture.copy()
        warp.draw(source, closed, rest, silence=1.0)
        return closed

    return close


class _Warping:
    """Moves the lips of a segment's source frames.

    Attributes
    ----------
    tracks : (frames,) of the whole video; −1 where a frame has no mesh
    """

    def __init__(self, segment: Segment, basis: LipBasis, painter: MouthPainter | None = None) -> None:
        self._mesh: MeshTable = segment.method_input
        self._video = segment.video
        shown = segment.source_frames()
        self._low = int(shown.min())
        self._points = self._mesh.read(self._low, int(shown.max()) + 1)
        self._mouths = self._mesh.mouths()
        self.tracks = self._mouths.tracks
        self._warp = LipWarp(basis, self._inside, painter)

    def _inside(self, mouth: Mouth) -> Inside | None:
        return _inside_at(self._video, self._mesh, mouth.open_frame, mouth.open_gap)

    def draw(
        self, source: int, picture: YuvFrame, lips: F32, silence: float, strength: float = 1.0, closure: float = 0.0
    ) -> None:
        """Move the lips of a source frame, in place."""
        mouth = self._mouths.by_track[int(self.tracks[source])]
        self._warp.draw(picture, self._points[source - self._low], mouth, lips, silence, strength, closure)


@lru_cache(maxsize=8)
def _inside_at(video: VideoInfo, mesh: MeshTable, frame: int, gap: float) -> Inside | None:
    """The inside of the mouth in a source frame; every segment of a video asks for the same few."""
    points = mesh.read(frame, frame + 1)[0].astype(np.float64)
    return inside_of(next(decode.pictures_at(video, [frame])), points, gap)


class Pose(Generating):
    """Hear how the lips of every frame are to be."""

    def __call__(self, segment: Segment) -> MovedLips:
        table: MeshTable = segment.method_input
        mouths = table.mouths()
        places, boxes, strength = drawable(segment, mouths.tracks >= 0)
        tracks = mouths.tracks[segment.source_frames()[places]]
        heard = heard_by(segment, places, self._window)
        poses, odds = self._model(heard), self._model.closedness(heard)
        closure = np.zeros(len(places), np.float32) if odds is None else closings(odds)
        for face, track in enumerate(tracks.tolist()):
            mouth = mouths.by_track[track]
            if closure[face] < 0:
                closure[face] *= mouth.shut
            poses[face] = poses[face] * mouth.amplitude - (0.0 if mouth.speaks else self._model.closed)
        for track in set(tracks.tolist()):
            own = tracks == track
            poses[own] = self._model.basis.bounded(poses[own], mouths.by_track[track])
        return MovedLips(
            row=segment,
            places=places,
            boxes=boxes,
            strength=strength,
            poses=poses,
            silence=pauses_in(segment, places),
            closure=closure,
            basis=self._model.basis,
            painter=self._model.painter,
            notes=self._model.notes,
            gpu_mb=self._model.peak_mb,
        )


def mouths_in(whole: Segment, known: Boxes) -> Boxes:
    """What of each face may be changed."""
    table: MeshTable = whole.method_input
    video = whole.video
    points = table.read(0, video.frames).astype(np.float64)
    there = table.mouths().tracks >= 0
    width, height = video.width + video.width % 2, video.height + video.height % 2  # pictures have even sides
    out: Boxes = [None] * len(known)
    for frame in np.flatnonzero(there).tolist():
        if known[frame] is not None:
            out[frame] = mouth_box(points[frame], float(heads_of(points[frame][None]).eyes[0]), width, height)
    return out


class Warp(Method):
    """Hear a pose, move the lips there."""

    name = "warp"
    shares: ClassVar[Mapping[str, float]] = {**Method.shares, "pose": 1.0}
    marked = True

    @property
    def unmarked(self) -> str | None:
        return "they pass through"

    def draw_stages(self, layout: Layout) -> list[StageSpec]:
        return [layout.model.stage("pose", partial(Pose, *self.loading))]

    @property
    def where(self) -> Where:
        return partial(drawn_faces, restored=self.restores_faces, narrow=mouths_in)
