"""What a run's method needs of its source videos besides faces: which tables there are, and the pass that makes the others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.engine.graph import Node
from lipsync_ray.engine.resources import Pool
from lipsync_ray.engine.stages import Failure
from lipsync_ray.engine.video_pass import VideoPass
from lipsync_ray.faces.box_rules import BoxRule
from lipsync_ray.faces.choices import FaceRule
from lipsync_ray.inputs import mesh_tables
from lipsync_ray.inputs.faced_videos import FacedVideo
from lipsync_ray.inputs.mesh_tables import MeshTable, mesh_pass
from lipsync_ray.inputs.sights import read_sight
from lipsync_ray.io import storage
from lipsync_ray.jobs.dub.coverage import coverage_of
from lipsync_ray.media.probe import VideoInfo
from lipsync_ray.media.timeline import source_frames

if TYPE_CHECKING:  # the run, of which methods need not know
    from lipsync_ray.jobs.dub.state import DubState, MethodRun

MESH_FOLDER = ("faces", "meshes")
Flags = NDArray[np.bool_]


def mesh_name(key: str, face: FaceRule) -> str:
    """The file name of a video's mesh table.

    Parameters
    ----------
    key : changes with the video's content
    face : whose landmarks they are
    """
    return f"{storage.digest(key, face, mesh_tables.VERSION)}.mesh"


class LeadPass(Protocol):
    """What a method makes of a source, or of a dub, between its faces and its segments."""

    @property
    def spec(self) -> VideoPass[Any, Any, Any]:
        """Its pass."""

    @property
    def ready(self) -> deque[str]:
        """Dubs that it has let begin."""

    def wanted(self, key: str, dubs: list[DubState], speaker: tuple[int, ...]) -> Iterable[str]:
        """Dubs of a video, and the tracks of its speaker; the ids that the pass can begin, where something is not there yet."""

    def drop(self, key: str) -> None:
        """A video in which nobody is to speak."""


class _Table(Protocol):
    @property
    def sight_url(self) -> str: ...
    def is_among(self, names: set[str]) -> bool: ...


Table = TypeVar("Table", bound=_Table)


class LeadTables(ABC, Generic[Table]):
    """Tables of a run, one a source video.

    Parameters
    ----------
    videos : key → the video; the face that speaks in it is the settings' choice
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
        there = storage.list_names(folder)
        self._tables: dict[str, Table] = {}
        self._waiting: dict[str, list[DubState]] = {}
        self._active: dict[str, FacedVideo] = {}
        for key, video in videos.items():
            url = storage.join(folder, self.name(key))
            table = self._tables[key] = self.table(url)
            if not table.is_among(there):
                self._active[key] = FacedVideo(key=key, video=video, url=url)
        self.spec = replace(self.make_pass(self._active, pool, folder), after=after)
        self.ready: deque[str] = deque()

    @abstractmethod
    def name(self, key: str) -> str:
        """The file name of a video's table."""

    @abstractmethod
    def table(self, url: str) -> Table:
        """The table of that URL."""

    @abstractmethod
    def make_pass(self, active: dict[str, FacedVideo], pool: Pool, folder: str) -> VideoPass[FacedVideo, Any, str]:
        """The pass that makes those which are not there, and tells :meth:`ended` of each."""

    @abstractmethod
    def begin(self, dubs: list[DubState], table: Table) -> None:
        """The table of some dubs is there: let them begin, or end."""

    def begin_drawable(self, dubs: list[DubState], stage: str, marked: Flags | None = None) -> None:
        """Let the dubs of a video begin that show the speaker, the mouth visible in enough frames, and end the others.

        Parameters
        ----------
        stage : that found it out
        marked : (frames,) bool: has the landmarks that the model needs; None where it needs none
        """
        video, speaker = dubs[0].info, dubs[0].speaker
        assert video is not None
        assert speaker is not None
        sight = read_sight(dubs[0].sight)
        coverage = coverage_of(video, dubs[0].table, speaker.chosen, self._box, sight, marked)
        for dub in dubs:
            counts = coverage.counts(source_frames(np.arange(dub.frames), video.frames, self.run.settings.loop))
            if (reason := counts.elsewhere or counts.too_few) is not None:
                self.run.fail(dub, Failure(stage, reason))
                continue
            dub.faceless, dub.hidden = counts.faceless, counts.hidden
            if counts.warning:
                dub.warn(counts.warning)
            self.ready.append(dub.id)

    def wanted(self, key: str, dubs: list[DubState], speaker: tuple[int, ...]) -> Iterable[str]:
        """Dubs of a video, and the tracks of its speaker; key of the video where its table has to be made first."""
        table = self._tables[key]
        for dub in dubs:
            dub.method_input, dub.sight = table, table.sight_url
        if key not in self._active:
            self.begin(dubs, table)
            return ()
        self._waiting[key] = dubs
        self._active[key].table, self._active[key].chosen = dubs[0].table, speaker
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
            self.begin(dubs, self._tables[video.key])


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

    def name(self, key: str) -> str:
        return mesh_name(key, self.run.settings.face)

    def table(self, url: str) -> MeshTable:
        return MeshTable(url)

    def make_pass(self, active: dict[str, FacedVideo], pool: Pool, folder: str) -> VideoPass[FacedVideo, Any, str]:
        return mesh_pass(active, pool, folder, self.ended)

    def begin(self, dubs: list[DubState], table: MeshTable) -> None:
        """Let the dubs of a video begin whose table is there, and say where it has no landmarks."""
        marked = table.mouths().tracks >= 0
        there = int((marked | read_sight(table.sight_url).hidden).sum())
        waiting = []
        for dub in dubs:
            assert dub.speaker is not None
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
            self.begin_drawable(waiting, mesh_tables.STAGE, marked if self._needed else None)
