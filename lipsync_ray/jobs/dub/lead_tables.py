"""What a run's method needs of its source videos besides faces: which tables there are, and the pass that makes the others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.engine.graph import Node
from lipsync_ray.engine.resources import Pool
from lipsync_ray.engine.stages import Failure
from lipsync_ray.engine.video_pass import VideoPass
from lipsync_ray.faces.box_rules import BoxRule
from lipsync_ray.inputs import mesh_tables
from lipsync_ray.inputs.faced_videos import FacedPerson, FacedVideo
from lipsync_ray.inputs.mesh_tables import MeshTable, mesh_pass
from lipsync_ray.inputs.sights import read_sight
from lipsync_ray.inputs.speakers import SpeakingPerson, flags_of
from lipsync_ray.io import storage
from lipsync_ray.jobs.dub.coverage import Coverage, FaceSight, coverage_of
from lipsync_ray.jobs.dub.state import DubbedFace
from lipsync_ray.media.probe import VideoInfo
from lipsync_ray.media.timeline import source_frames

if TYPE_CHECKING:  # the run, of which methods need not know
    from lipsync_ray.jobs.dub.state import DubState, MethodRun

MESH_FOLDER = ("faces", "meshes")
Flags = NDArray[np.bool_]


def mesh_name(key: str, person: str) -> str:
    """The file name of a mesh table.

    Parameters
    ----------
    key : changes with the video's content
    person : whose landmarks they are
    """
    return f"{storage.digest(key, person, mesh_tables.VERSION)}.mesh"


class LeadPass(Protocol):
    """What a method makes of a source, or of a dub, between its faces and its segments. It calls the run's `begin` for each dub."""

    @property
    def spec(self) -> VideoPass[Any, Any, Any]:
        """Its pass."""

    def wanted(self, key: str, dubs: list[DubState]) -> Iterable[str]:
        """Dubs of a video of which is known who speaks; the ids that the pass can begin, where something is not there yet."""

    def drop(self, key: str) -> None:
        """A video in which nobody is to speak."""


class _Table(Protocol):
    @property
    def url(self) -> str: ...
    @property
    def sight_url(self) -> str: ...
    def is_among(self, names: set[str]) -> bool: ...


Table = TypeVar("Table", bound=_Table)


class LeadTables(ABC, Generic[Table]):
    """Tables of a run, one for each person of a source video that is dubbed.

    Parameters
    ----------
    videos : key → the video
    pool : that makes them
    folder : where they are
    after : what its pass comes after
    box : what of a frame is the face
    """

    def __init__(
        self,
        run: MethodRun,
        videos: Mapping[str, VideoInfo],
        pool: Pool,
        folder: str,
        after: tuple[Node, ...],
        box: BoxRule,
    ) -> None:
        self.run, self._box = run, box
        self._folder, self._there = folder, storage.list_names(folder)
        self._waiting: dict[str, list[DubState]] = {}
        self._active: dict[str, FacedVideo] = {}
        for key, video in videos.items():
            tables = [self._table(key, person) for person in run.persons_of(key)]
            if not tables or not all(table.is_among(self._there) for table in tables):
                unknown = FacedPerson((), self._table(key, "").url)
                self._active[key] = FacedVideo(key=key, video=video, persons=(unknown,))
        self.spec = replace(self.make_pass(self._active, pool, folder), after=after)

    def _table(self, key: str, person: str) -> Table:
        return self.table(storage.join(self._folder, self.name(key, person)))

    @abstractmethod
    def name(self, key: str, person: str) -> str:
        """The file name of the table of a video's person."""

    @abstractmethod
    def table(self, url: str) -> Table:
        """The table of that URL."""

    @abstractmethod
    def make_pass(self, active: dict[str, FacedVideo], pool: Pool, folder: str) -> VideoPass[FacedVideo, Any, None]:
        """The pass that makes those which are not there, and tells :meth:`ended` of each."""

    @abstractmethod
    def begin(self, dubs: list[DubState]) -> None:
        """The tables of some dubs of a video are there: let them begin, or end."""

    def begin_drawable(
        self, dubs: list[DubState], stage: str, marked: Callable[[DubbedFace], Flags] | None = None
    ) -> None:
        """Let the dubs of a video begin that show who speaks, the mouth visible in enough frames, and end the others.

        Parameters
        ----------
        stage : that found it out
        marked : (frames,) bool of a face: has the landmarks that the model needs; None where it needs none
        """
        coverages: dict[tuple[SpeakingPerson, ...], Coverage] = {}
        for dub in dubs:
            video = dub.info
            assert video is not None
            persons = tuple(face.person for face in dub.faces)
            if (coverage := coverages.get(persons)) is None:
                faces = [
                    FaceSight(face.person, read_sight(face.sight), marked(face) if marked else None)
                    for face in dub.faces
                ]
                coverage = coverages[persons] = coverage_of(video, dub.table, faces, self._box)
            counts = coverage.counts(source_frames(np.arange(dub.frames), video.frames, self.run.settings.loop))
            if (reason := counts.elsewhere or counts.too_few) is not None:
                self.run.fail(dub, Failure(stage, reason))
                continue
            dub.faceless, dub.hidden = counts.faceless, counts.hidden
            dub.drawable = coverage.drawable
            if counts.warning:
                dub.warn(counts.warning)
            self.run.begin(dub)

    def wanted(self, key: str, dubs: list[DubState]) -> Iterable[str]:
        """Dubs of a video of which is known who speaks; key of the video where tables have to be made first."""
        missing: dict[str, FacedPerson] = {}
        for dub in dubs:
            assert dub.speaker is not None
            faces = []
            for person in dub.speaker.persons:
                table = self._table(key, person.name)
                speech = dub.speeches[dub.voices[person.voice].key] if dub.voices else None
                faces.append(DubbedFace(person, table, table.sight_url, speech))
                if not table.is_among(self._there):
                    missing[person.name] = FacedPerson(person.chosen, table.url)
            dub.faces = tuple(faces)
        if not missing:
            self.drop(key)
            self.begin(dubs)
            return ()
        if (video := self._active.get(key)) is None:  # tables were deleted, or replaced, since the run began
            reason = "a file of the run's own is gone that was there when it began; run the same command again"
            for dub in dubs:
                self.run.fail(dub, Failure(self.spec.name, reason))
            return ()
        self._waiting[key] = dubs
        video.table, video.persons = dubs[0].table, tuple(missing.values())
        return (key,)

    def drop(self, key: str) -> None:
        """A video in which nobody is to speak."""
        self._active.pop(key, None)

    def ended(self, video: FacedVideo, failure: Failure | None) -> None:
        """A video's table is there, or is not to be had."""
        dubs = self._waiting.pop(video.key, [])
        for dub in dubs:
            dub.attempts = max(dub.attempts, video.attempts)
            if failure is not None:
                self.run.fail(dub, failure)
        if failure is None:
            self.begin(dubs)


class Meshes(LeadTables[MeshTable]):
    """Landmarks of faces, and where their mouths are visible.

    Parameters
    ----------
    needed : only frames with landmarks can be drawn
    unmarked : what is said of frames that show none; None where nothing is
    """

    def __init__(
        self,
        run: MethodRun,
        videos: Mapping[str, VideoInfo],
        pool: Pool,
        after: tuple[Node, ...],
        box: BoxRule,
        needed: bool,
        unmarked: str | None,
    ) -> None:
        self._needed, self._unmarked = needed, unmarked
        super().__init__(run, videos, pool, run.url(*MESH_FOLDER), after, box)

    def name(self, key: str, person: str) -> str:
        return mesh_name(key, person)

    def table(self, url: str) -> MeshTable:
        return MeshTable(url)

    def make_pass(self, active: dict[str, FacedVideo], pool: Pool, folder: str) -> VideoPass[FacedVideo, Any, None]:
        return mesh_pass(active, pool, folder, self.ended)

    def begin(self, dubs: list[DubState]) -> None:
        """Let the dubs of a video begin whose tables are there, and say where they have no landmarks."""
        waiting = []
        for dub in dubs:
            assert dub.speaker is not None
            there = _frames_with_landmarks(dub.faces)
            lost = dub.speaker.frames - there
            if not there and self._needed:
                reason = (
                    f"a face, but landmarks in none of its {dub.speaker.frames} frames: a profile, a mask, a drawing?"
                )
                self.run.end(
                    self.run.row_of(dub, "no_face", stage=mesh_tables.STAGE, error=f"{reason} Nothing was written")
                )
                continue
            if lost > 0 and self._unmarked is not None:
                dub.warn(
                    f"{lost} of {dub.speaker.frames} source frames with a face show no landmarks; {self._unmarked}"
                )
            waiting.append(dub)
        if waiting:
            self.begin_drawable(waiting, mesh_tables.STAGE, _marked if self._needed else None)


def _marked(face: DubbedFace) -> Flags:
    """(frames,) bool: a person's face has landmarks."""
    table: MeshTable = face.method_input
    return table.mouths().tracks >= 0


def _frames_with_landmarks(faces: Sequence[DubbedFace]) -> int:
    """Source frames in which one of the faces has landmarks, or is hidden, and its person speaks."""
    each = []
    for face in faces:
        there = _marked(face) | read_sight(face.sight).hidden
        each.append(there & flags_of(face.person.spans, len(there)))
    return int(np.any(each, axis=0).sum())
