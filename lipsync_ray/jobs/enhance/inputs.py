"""What a run of the enhance job knows of its videos: identified, what is done dropped, the rest looked at."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from typing import Any

from rich.console import Console

from lipsync_ray.engine.job import JobRun, JobSpec
from lipsync_ray.engine.runners import Runner
from lipsync_ray.engine.stages import Failure
from lipsync_ray.inputs import face_tables
from lipsync_ray.inputs.content_ids import content_ids
from lipsync_ray.inputs.probe import VideoSource, probe
from lipsync_ray.io import storage
from lipsync_ray.io.results import RESULTS, Result
from lipsync_ray.jobs.enhance.sources import EnhanceInput
from lipsync_ray.media.codecs import video_name
from lipsync_ray.media.kept_samples import losses
from lipsync_ray.media.probe import VideoInfo
from lipsync_ray.provenance.claims import Claim, Network, SourceFile
from lipsync_ray.provenance.frame_marks import FrameMarking, FrameMarks
from lipsync_ray.provenance.kept import keep_and_mark
from lipsync_ray.provenance.marked_video import MarkedVideo, place_label
from lipsync_ray.provenance.marking import UNMARKED, Marking
from lipsync_ray.restoration.earlier_videos import EarlierVideos
from lipsync_ray.restoration.weights import Restoration
from lipsync_ray.settings import EnhanceSettings, Workers

ENHANCE_VERSION = 2  # raise when the same video and settings would give other frames
ENHANCE = JobSpec("enhance", RESULTS, packages=("spandrel",))


@dataclass
class EnhanceState(MarkedVideo):
    """A video under way.

    Attributes
    ----------
    item : what is enhanced
    key : of the video's content, for its face table
    info : the video
    source : of which a dub's face table is
    content, source_content : identities of both, compared whenever they are opened
    table, chosen : whose faces; no table where every frame is looked at anew
    faceless, restored : frames without a face, and with one that was restored, of parts made in this run
    """

    item: EnhanceInput
    key: str = ""
    content: str = ""
    info: VideoInfo | None = None
    source: VideoInfo | None = None
    source_content: str = ""
    table: str | None = None
    chosen: tuple[int, ...] = ()
    faceless: int = 0
    restored: int = 0

    @property
    def id(self) -> str:
        return self.item.id


class EnhanceRun(JobRun[EnhanceState, Result]):
    """One run of the enhance job; attributes as in the dub job's."""

    def __init__(
        self,
        items: list[EnhanceInput],
        base: Mapping[str, Any],
        settings: EnhanceSettings,
        restoration: Restoration,
        workers: Workers,
        out: str,
        console: Console,
        runner: Runner,
        device: str,
        marking: Marking = UNMARKED,
        marks: FrameMarking | None = None,
    ) -> None:
        # An evaluation reads this run like the dub run that it is of.
        whole: dict[str, Any] = {"face": "all", "loop": "pingpong", "still_rate": "25", "pads": asdict(items[0].pads)}
        whole["deinterlace"] = "estdif" if base else settings.deinterlace  # of what its frames are compared with
        whole |= base
        whole["provenance"] = settings.provenance.record()
        whole["enhance"] = settings.record()
        super().__init__(ENHANCE, [item.id for item in items], whole, workers, out, console, runner)
        self.items, self.settings, self.restoration, self.device = items, settings, restoration, device
        self.marking, self._marks = marking, marks or FrameMarking()
        self.earlier_videos = EarlierVideos(self.url("videos"))
        head: Mapping[str, Any] = base.get("head") or {}
        self._heads = bool(head) and not head.get("paste_back")

    def more(self) -> Mapping[str, Any]:
        return {"model": {"name": self.restoration.name, "sha256": self.restoration.digest}}

    @property
    def files(self) -> tuple[str, ...]:
        """What every node has to see besides the videos."""
        return self._marks.files

    def marking_of(self, row: Result) -> FrameMarking:
        """How a video's frames are marked: a dub keeps the mark and the label that it has, and gets no second one."""
        return self._marks.without_existing(row.watermark is not None, row.label is not None, self._heads)

    def marks_of(self, video: EnhanceState) -> FrameMarks:
        """What a video's frames get besides what is drawn."""
        return self.marking_of(video.item.row).on(video.id, video.fingerprint, video.label)

    def name_of(self, video: EnhanceState) -> str:
        """The name of the file of a finished video or picture."""
        picture = video.info is not None and video.info.picture
        return f"{video.id}.png" if picture else video_name(video.id, self.settings.coding)

    def _notes(self, info: VideoInfo | None) -> tuple[str, ...]:
        """What its output does not keep of a video."""
        return () if info is None else (*info.notes, *losses(info, self.settings.coding))

    def claim_of(self, video: EnhanceState) -> Claim:
        """What a video says of itself; when and where its faces were drawn is not known yet."""
        restorer = self.restoration
        network = Network(restorer.name, restorer.digest, restorer.files.gfpgan.licence)
        row = video.item.row
        return Claim(
            self.name_of(video), "restored",
            "+".join(filter(None, (row.model, restorer.name))), (network,),
            (SourceFile("video", video.item.video, video.content),), None, row.consent, row.rights, self._heads,
        )  # fmt: skip

    def row_of(self, video: EnhanceState, status: Any, **values: Any) -> Result:
        info, row = video.info, video.item.row
        size = {} if info is None else {
            "frames": info.frames, "rate": str(info.rate), "duration_s": float(info.duration_s),
            "width": info.width * self.settings.upscale, "height": info.height * self.settings.upscale,
        }  # fmt: skip
        common: dict[str, Any] = {
            "status": status,
            "output": None,
            "model": "+".join(filter(None, (row.model, self.restoration.name))),
            "faceless_frames": None,
            "restored_frames": None,
            "seconds": round(video.seconds, 3),
            "attempts": video.attempts,
            "provenance": None,
            "signer": None,
            "mark": None,
            "one_file": None,
            "one_file_digest": None,
            "drawn": None,
            "face_table": video.item.row.face_table or video.table,
            "fingerprint": video.fingerprint,
            "run": self.id,
            "warnings": tuple(dict.fromkeys((*row.warnings, *self._notes(info), *video.warnings))),
        }
        return replace(row, **(common | size | values))


def prepare(run: EnhanceRun) -> None:
    """Identify every video, drop what is done, look at the rest."""
    batch = run.workers.batch
    values = run.settings.record() | {"device": run.device, "batch": batch}
    del values["provenance"], values["one_file"], values["marks"]  # the latter by row
    values["restore"]["model"] = run.restoration.digest
    if run.settings.deinterlace == "estdif":
        del values["deinterlace"]
    asked = json.dumps(values, sort_keys=True)
    found = content_ids(url for item in run.items for url in (item.video, item.row.video) if url)
    for item in run.items:
        state = run.active[item.id] = EnhanceState(item)
        video = found.get(item.video, OSError("no video"))
        if item.row.status != "done":
            run.end(replace(item.row, output=None, run=run.id))
        elif isinstance(video, Exception):
            run.end(
                replace(
                    item.row, status="failed", stage="probe", error=f"{item.video}: {video}", output=None, run=run.id
                )
            )
        else:
            faces = json.dumps([item.face, item.loop, str(item.still_rate), vars(item.pads), item.face_table])
            source = found.get(item.row.video)
            state.source_content = source if isinstance(source, str) else ""
            state.content, state.key = video, storage.digest(video, face_tables.VERSION)
            marks = run.marking_of(item.row).identity(item.row.language)
            state.fingerprint = storage.digest(ENHANCE_VERSION, video, faces, asked, *marks)
    claims = {name: run.claim_of(state) for name, state in run.active.items()}
    keep_and_mark(run, claims, run.marking, ["videos", "images"], lambda state: (state.item.video, *run.files))
    _look(run)


def _look(run: EnhanceRun) -> None:
    looked_at = dict(run.active)
    how = run.settings.deinterlace
    sources = [
        VideoSource(state.item.video, f"v{name}", Fraction(25), state.content, how) for name, state in looked_at.items()
    ]
    for name, state in looked_at.items():
        item = state.item
        if item.face_table and item.loop:
            sources.append(
                VideoSource(item.row.video, f"s{name}", item.still_rate, state.source_content, item.deinterlace)
            )
    for source, info in run.context.map_tasks("probe", probe, sources):
        state = looked_at[source.key[1:]]
        if isinstance(info, Failure):
            if source.key[0] == "v":
                run.fail(state, info)
        elif source.key[0] == "v":
            state.info, state.key = info, face_tables.key_of_pictures(state.key, info)
        else:
            state.source = info
    upscale = run.settings.upscale
    for state in list(run.active.values()):
        if (video := state.info) is not None:
            size = video.width * upscale, video.height * upscale
            row = state.item.row
            place_label(run, state, run.marking_of(row), row.language, *size, video.pixel_aspect, video.rate)
