"""Lips that are moved: how each is to be (pose), and what moves them in a segment's frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.box_rules import boxes_by
from lipsync_ray.faces.lip_basis import LipBasis
from lipsync_ray.faces.mouth import Mouth
from lipsync_ray.faces.mouth_inside import Inside, inside_of
from lipsync_ray.faces.table import read_table
from lipsync_ray.faces.warp import LipWarp
from lipsync_ray.inputs import audio_features
from lipsync_ray.inputs.face_tables import one_thread
from lipsync_ray.inputs.mesh_tables import MeshTable
from lipsync_ray.inputs.sights import read_sight
from lipsync_ray.jobs.dub.plan import Segment
from lipsync_ray.media import decode, mel
from lipsync_ray.media.picture import YuvFrame
from lipsync_ray.media.probe import VideoInfo
from lipsync_ray.models.weights import Checkpoint
from lipsync_ray.restoration.faces import Restored
from lipsync_ray.settings import Precision

if TYPE_CHECKING:  # torch, which the other stages do without
    from lipsync_ray.models.lip_sync import AudioWindow, GeneratorSpec

F32 = NDArray[np.float32]
Draw = Callable[[int, YuvFrame], None]
"""Draw a row's face into its picture, in place."""


@dataclass(frozen=True)
class Lips:
    """A segment and how its lips are to be.

    Attributes
    ----------
    segment : the row
    places : (m,) int64 output frames, counted from the segment's start, that have a mesh
    boxes : (m, 4) int32 x0, y0, x1, y1 of the face
    poses : (m, k) float32 lip poses
    silence : (m,) float32 how far each mouth is to be closed, 0 to 1
    strength : (m,) float32 how far each mouth is moved: less beside frames whose mouth is hidden
    basis : what they are told in
    restored, notes, gpu_mb : as in :class:`Crops`
    """

    segment: Segment
    places: NDArray[np.int64]
    boxes: NDArray[np.int32]
    poses: F32
    silence: F32
    strength: F32
    basis: LipBasis
    restored: Restored | None = None
    notes: tuple[str, ...] = ()
    gpu_mb: int | None = None

    def drawing(self) -> Draw:
        """How they come into their frames."""
        warp, shown = _Warping(self.segment, self.basis), self.segment.source_frames()

        def draw(row: int, picture: YuvFrame) -> None:
            source, strength = int(shown[self.places[row]]), float(self.strength[row])
            warp.draw(source, picture, self.poses[row], float(self.silence[row]), strength)

        return draw


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

    def __init__(self, segment: Segment, basis: LipBasis) -> None:
        assert segment.mesh is not None
        self._mesh, self._video = segment.mesh, segment.video
        shown = segment.source_frames()
        self._low = int(shown.min())
        self._points = self._mesh.read(self._low, int(shown.max()) + 1)
        self._mouths = self._mesh.mouths()
        self.tracks = self._mouths.tracks
        self._warp = LipWarp(basis, self._inside)

    def _inside(self, mouth: Mouth) -> Inside | None:
        return _inside_at(self._video, self._mesh, mouth.open_frame, mouth.open_gap)

    def draw(self, source: int, picture: YuvFrame, lips: F32, silence: float, strength: float = 1.0) -> None:
        """Move the lips of a source frame, in place."""
        mouth = self._mouths.by_track[int(self.tracks[source])]
        self._warp.draw(picture, self._points[source - self._low], mouth, lips, silence, strength)


@lru_cache(maxsize=8)
def _inside_at(video: VideoInfo, mesh: MeshTable, frame: int, gap: float) -> Inside | None:
    """The inside of the mouth in a source frame; every segment of a video asks for the same few."""
    points = mesh.read(frame, frame + 1)[0].astype(np.float64)
    return inside_of(next(decode.pictures_at(video, [frame])), points, gap)


class Generating:
    """A stage that keeps a generator loaded.

    Parameters
    ----------
    generator : which model
    checkpoint : its weights
    batch : frames a pass; None for the device's default
    """

    def __init__(
        self, generator: GeneratorSpec, checkpoint: Checkpoint, device: str, precision: Precision, batch: int | None
    ) -> None:
        one_thread()
        self._window = generator.audio
        self._model = generator.load(checkpoint, device, precision, batch)


class Pose(Generating):
    """Hear how the lips of every frame are to be."""

    def __call__(self, segment: Segment) -> Lips:
        video = segment.video
        shown = segment.source_frames()
        low, high = int(shown.min()), int(shown.max()) + 1
        assert segment.mesh is not None
        mouths = segment.mesh.mouths()
        tracks = mouths.tracks[shown]
        strength = read_sight(segment.sight).strengths(mouths.tracks >= 0)[shown]
        tracks_seen = read_table(segment.table, low, high)
        known = boxes_by(segment.box, tracks_seen, segment.chosen, low, high, video.width, video.height)
        boxes = [known[index] for index in (shown - low).tolist()]
        places = [place for place, box in enumerate(boxes) if box is not None and strength[place] > 0]
        poses = self._model(heard_by(segment, np.array(places, np.int64), self._window))
        for row, place in enumerate(places):
            mouth = mouths.by_track[int(tracks[place])]
            poses[row] = poses[row] * mouth.amplitude - (0.0 if mouth.speaks else self._model.closed)
        for track in {int(tracks[place]) for place in places}:
            own = tracks[places] == track
            poses[own] = self._model.basis.bounded(poses[own], mouths.by_track[track])
        return Lips(
            segment,
            np.array(places, np.int64),
            np.array([boxes[place] for place in places], np.int32).reshape(-1, 4),
            poses,
            segment.speech.silence(np.array(places, np.int64) + segment.start, video.rate, segment.pauses),
            strength[places],
            self._model.basis,
            notes=self._model.notes,
            gpu_mb=self._model.peak_mb,
        )


def heard_by(segment: Segment, places: NDArray[np.int64], window: AudioWindow) -> F32:
    """(m, bands, columns) float32 windows of sound of a segment's frames."""
    rate, speech = segment.video.rate, segment.speech
    starts = np.array([window.first(frame, rate) for frame in (places + segment.start).tolist()], np.int64)
    if not len(starts):
        return np.zeros((0, speech.bands, window.columns), np.float32)
    first = min(int(starts.min()), speech.columns - window.columns)
    columns = speech.read(first, int(starts.max()) + window.columns)
    silence = audio_features.SILENCE[window.front_end]
    return mel.windows(columns, starts, max(0, first), speech.columns, window.columns, window.silent_end, silence)


def hushed(heard: F32, silence: F32) -> F32:
    """Windows of mel, brought towards silence."""
    return np.asarray(heard + silence[:, None, None] * (mel.SILENCE - heard), np.float32)
