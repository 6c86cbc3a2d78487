"""The mesh tables that a run's model needs: which there are, and the pass that makes the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lipsync_ray.engine.resources import Pool
from lipsync_ray.engine.stages import Failure
from lipsync_ray.faces.speaker import FaceRule
from lipsync_ray.inputs import mesh_tables
from lipsync_ray.inputs.face_pass import Lead
from lipsync_ray.inputs.mesh_tables import MeshTable, MeshVideo, mesh_pass
from lipsync_ray.io import storage
from lipsync_ray.jobs.dub.inputs import DubRun, DubState
from lipsync_ray.media.probe import VideoInfo

MESH_FOLDER = ("faces", "meshes")


def mesh_name(key: str, face: FaceRule) -> str:
    """The file name of a video's mesh table.

    Parameters
    ----------
    key : changes with the video's content
    face : whose landmarks they are
    """
    return f"{storage.digest(key, face, mesh_tables.VERSION)}.mesh"


class Meshes:
    """Mesh tables of a run.

    Parameters
    ----------
    videos : key → the video; the face that speaks in it is the settings' choice
    pool : that finds landmarks
    """

    def __init__(self, run: DubRun, videos: Mapping[str, VideoInfo], pool: Pool) -> None:
        self._run = run
        folder = run.url(*MESH_FOLDER)
        there = storage.list_names(folder)
        self._tables: dict[str, MeshTable] = {}
        self._waiting: dict[str, list[DubState]] = {}
        active: dict[str, MeshVideo] = {}
        for key, video in videos.items():
            url = storage.join(folder, mesh_name(key, run.settings.face))
            table = self._tables[key] = MeshTable(url)
            if not table.is_among(there):
                active[key] = MeshVideo(key=key, video=video, url=url)
        self._active = active
        self.lead = Lead(mesh_pass(active, pool, folder, self._ended))

    def wanted(self, key: str, dubs: list[DubState]) -> Iterable[str]:
        """Dubs of a video whose speaker is known; key of the video where its table has to be made first."""
        table = self._tables[key]
        for dub in dubs:
            dub.mesh = table
        if key not in self._active:
            self._begin(dubs, table)
            return ()
        self._waiting[key] = dubs
        speaker = dubs[0].speaker
        assert speaker is not None
        self._active[key].table, self._active[key].chosen = dubs[0].table, speaker.chosen
        return (key,)

    def drop(self, key: str) -> None:
        """A video in which nobody is to speak."""
        self._active.pop(key, None)

    def _ended(self, video: MeshVideo, failure: Failure | None) -> None:
        dubs = self._waiting.pop(video.key, [])
        for dub in dubs:
            dub.attempts = max(dub.attempts, video.attempts)
            if failure is not None:
                self._run.fail(dub, failure)
        if failure is None:
            self._begin(dubs, self._tables[video.key])

    def _begin(self, dubs: list[DubState], table: MeshTable) -> None:
        """Let the dubs of a video begin whose table is there, and say where it has no landmarks."""
        there = int((table.mouths().tracks >= 0).sum())
        for dub in dubs:
            assert dub.speaker is not None
            lost = dub.speaker.frames - there
            if not there and self._run.generator.draws == "lips":
                reason = (
                    f"a face, but landmarks in none of its {dub.speaker.frames} frames: a profile, a mask, a drawing?"
                )
                self._run.end(self._run.row_of(dub, "no_face", stage="mesh", error=f"{reason} Nothing was written"))
                continue
            if lost > 0 and self._run.generator.draws == "lips":
                dub.warn(
                    f"{lost} of {dub.speaker.frames} source frames with a face show no landmarks; they pass through"
                )
            elif lost > 0:
                dub.warn(
                    f"{lost} of {dub.speaker.frames} source frames with a face show no landmarks; the model saw them with "
                    "the source's own mouth"
                )
            self.lead.ready.append(dub.id)
