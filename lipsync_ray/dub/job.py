"""The dub job from manifest to results.

    look at every distinct file ► pass 1: face tables, one per distinct video ► pass 2: lips ► join ► results.parquet

What earlier runs committed to the same folder under the same fingerprint is kept: finished dubs, face tables, mels,
scans and parts. A dub that cannot go on becomes a row that says why, and the others go on without it.
"""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console

from lipsync_ray import storage
from lipsync_ray.dub import results, sources
from lipsync_ray.dub.assemble import (
    Choice,
    Speaker,
    TableOrder,
    VideoOrder,
    choose_speaker,
    make_table,
    make_video,
)
from lipsync_ray.dub.plan import FaceRow, Segment, face_rows, output_frames, segment_bounds
from lipsync_ray.dub.results import Result
from lipsync_ray.dub.sources import AudioSource, Speech, VideoSource, listen, look
from lipsync_ray.dub.stages import Compose, Composed, Crop, Detect, Scanned, Sync
from lipsync_ray.engine import flow
from lipsync_ray.engine.layout import Layout, lay_out
from lipsync_ray.engine.ledger import Ledger
from lipsync_ray.engine.progress import Phase
from lipsync_ray.engine.rows import Failure, Outcome, StageSpec
from lipsync_ray.engine.session import Cluster, session
from lipsync_ray.engine.tasks import Tasks, each
from lipsync_ray.errors import LipsyncError
from lipsync_ray.manifest import Dub
from lipsync_ray.media.join import Track
from lipsync_ray.media.probe import VideoInfo
from lipsync_ray.models import lips, weights
from lipsync_ray.models.wav2lip import CROP
from lipsync_ray.settings import DubSettings, Workers

FRAMES_VERSION = 1  # raise when the same inputs and settings would give other frames: every fingerprint changes
TABLES_VERSION = 1  # likewise for face tables
SCAN_S = 30.0  # seconds of video in one row of pass 1
_LOOKERS = 32
_TASKS_PER_NODE = 4


@dataclass(frozen=True)
class Summary:
    """What a run came to.

    Attributes
    ----------
    results : one per row of the manifest, in its order
    results_url : of results.parquet
    detected_videos : distinct videos whose faces were detected in this run
    seconds : wall time
    """

    results: list[Result]
    results_url: str
    detected_videos: int
    seconds: float

    @property
    def complete(self) -> bool:
        """Whether every dub is done."""
        return all(result.status == "done" for result in self.results)


@dataclass
class _Dub:
    """A dub under way. Fields are filled in as the run gets to know them."""

    row: Dub
    fingerprint: str
    video_key: str
    audio_key: str
    info: VideoInfo | None = None
    speech: Speech | None = None
    speaker: Speaker | None = None
    table: str = ""
    frames: int = 0
    parts: dict[int, str] = field(default_factory=dict)
    missing: set[int] = field(default_factory=set)
    reused: int = 0
    faceless: dict[int, int] = field(default_factory=dict)
    seconds: float = 0.0
    attempts: int = 1


def run(
    dubs: list[Dub],
    settings: DubSettings,
    workers: Workers,
    out: str,
    console: Console,
    fetching: weights.Progress | None = None,
) -> Summary:
    """Make every dub of a checked manifest.

    Parameters
    ----------
    out : folder, path or fsspec URL
    console : for progress lines
    fetching : told how far a download of the weights is

    Raises
    ------
    WeightsError, CheckpointError, SettingsError : before anything is started
    """
    began = time.time()
    model, path = lips.resolve(settings.model, fetching)
    if weights.find(settings.model) is None:
        lips.verify(path)
    out = storage.absolute(out)
    with session(workers.address) as cluster:
        job = _Job(dubs, settings, workers, out, console, cluster, model, _digest_of(path))
        job.write_run(began, None)
        job.prepare()
        job.find_faces()
        job.make_lips()
        return job.finish(began)


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _Job:
    def __init__(
        self,
        dubs: list[Dub],
        settings: DubSettings,
        workers: Workers,
        out: str,
        console: Console,
        cluster: Cluster,
        model: str,
        model_digest: str,
    ) -> None:
        self._rows = dubs
        self._settings, self._workers, self._out, self._console = settings, workers, out, console
        self._cluster, self._model, self._model_digest = cluster, model, model_digest
        self._results: dict[str, Result] = {}
        self._going: dict[str, _Dub] = {}
        self._detected = 0
        self._tasks_limit = _TASKS_PER_NODE * cluster.nodes
        self._run_id = f"{int(time.time())}-{uuid.uuid4().hex[:6]}"
        self._ledger = Ledger(self._url("attempts", self._run_id), workers.attempts)
        lay_out(cluster, workers, alone=True)  # options that the cluster cannot meet end the run here

    def _url(self, *names: str) -> str:
        return storage.join(self._out, *names)

    # ------------------------------------------------------------------ before the first pass

    def prepare(self) -> None:
        """Identify every file, drop what is done, look at the rest."""
        storage.remove(self._url("attempts"))
        identities = self._identities()
        for row in self._rows:
            video, audio = identities[row.video], identities[row.audio]
            if isinstance(video, Exception) or isinstance(audio, Exception):
                gone = row.video if isinstance(video, Exception) else row.audio
                reason = video if isinstance(video, Exception) else audio
                self._end(_failed(row, "look", f"{gone}: {reason}"))
                continue
            still = str(self._settings.still_rate)
            video_key = storage.digest(video, still, TABLES_VERSION)
            audio_key = storage.digest(audio, self._settings.trim_silence, sources.FORMAT)
            fingerprint = storage.digest(
                FRAMES_VERSION,
                video_key,
                audio_key,
                self._model_digest,
                json.dumps(self._fingerprinted(), sort_keys=True),
            )
            self._going[row.id] = _Dub(row, fingerprint, video_key, audio_key)
        self._keep_finished()
        self._look_at_files()

    def _fingerprinted(self) -> dict[str, Any]:
        """The settings that change frames; the model goes in by its content instead of its name."""
        values = self._settings.record()
        del values["model"]
        return values

    def _identities(self) -> dict[str, str | Exception]:
        def identify(url: str) -> str | Exception:
            try:
                return storage.identity(url)
            except (OSError, LipsyncError) as error:
                return error

        urls = sorted({url for row in self._rows for url in (row.video, row.audio)})
        with ThreadPoolExecutor(_LOOKERS) as pool:
            return dict(zip(urls, pool.map(identify, urls), strict=True))

    def _keep_finished(self) -> None:
        videos = storage.list_names(self._url("videos"))
        for name, result in results.recorded(self._out, self._going).items():
            same = result.fingerprint == self._going[name].fingerprint
            if same and (result.status == "no_face" or (result.status == "done" and f"{name}.mp4" in videos)):
                self._results[name] = result
                del self._going[name]
        if self._results:
            self._console.print(f"{len(self._results)} of {len(self._rows)} dubs were finished before", highlight=False)

    def _look_at_files(self) -> None:
        by_video, by_audio = self._by("video_key"), self._by("audio_key")
        if not by_video:
            return
        folder = self._url(sources.FOLDER)
        with Phase(self._console, "files", len(by_video) + len(by_audio), 0, "files") as phase:
            videos = [VideoSource(dubs[0].row.video, key, self._settings.still_rate) for key, dubs in by_video.items()]
            for video, info in each("probe", look, videos, self._tasks_limit):
                phase.advance(0, isinstance(info, Failure))
                for dub in by_video[video.key]:
                    if isinstance(info, Failure):
                        self._fail(dub, info)
                    else:
                        dub.info = info
            audios = [
                AudioSource(dubs[0].row.audio, key, self._settings.trim_silence, folder)
                for key, dubs in by_audio.items()
            ]
            for audio, speech in each("listen", listen, audios, self._tasks_limit):
                phase.advance(0, isinstance(speech, Failure))
                for dub in by_audio[audio.key]:
                    if isinstance(speech, Failure):
                        self._fail(dub, speech)
                    else:
                        dub.speech = speech

    def _by(self, key: str) -> dict[str, list[_Dub]]:
        out: dict[str, list[_Dub]] = defaultdict(list)
        for dub in self._going.values():
            out[getattr(dub, key)].append(dub)
        return dict(out)

    # ------------------------------------------------------------------ pass 1

    def find_faces(self) -> None:
        """Give every distinct video a face table, and find who speaks in it."""
        by_video = self._by("video_key")
        tables = storage.list_names(self._url("faces"))
        parts = storage.list_tree(self._url("faces", "parts"))
        rows: list[FaceRow] = []
        orders: dict[str, TableOrder] = {}
        waiting: dict[str, set[str]] = {}
        for key, dubs in by_video.items():
            info = dubs[0].info
            assert info is not None
            name = f"{_stem(dubs[0].row.video)}-{key}.parquet"
            for dub in dubs:
                dub.table = self._url("faces", name)
            if name in tables:
                continue
            all_rows = face_rows(key, info, self._url("faces", "parts", key), SCAN_S)
            orders[key] = TableOrder(key, info, tuple(row.url for row in all_rows), dubs[0].table)
            mine = [row for row in all_rows if f"{key}/{storage.name_of(row.url)}" not in parts]
            waiting[key] = {row.key for row in mine}
            rows += mine
        self._detected = len(orders)
        self._scan(rows, orders, waiting, by_video)
        self._choose(self._by("video_key"))

    def _scan(
        self,
        rows: list[FaceRow],
        orders: dict[str, TableOrder],
        waiting: dict[str, set[str]],
        by_video: dict[str, list[_Dub]],
    ) -> None:
        if not orders:
            return
        pool = lay_out(self._cluster, self._workers, alone=True)
        detect = partial(Detect, pool.device)
        spec = StageSpec("detect", detect, pool.model.workers, pool.model.cpus, pool.model.gpus, loaded=True)
        tables = Tasks("link faces", make_table, self._tasks_limit)
        for key in [key for key, left in waiting.items() if not left]:
            tables.submit(orders[key])
        frames = {row.key: row.stop - row.start for row in rows}
        videos = {row.key: key for key, keys in waiting.items() for row in rows if row.key in keys}
        looked = 0
        with Phase(self._console, "faces", len(rows), sum(frames.values())) as phase:
            for outcome in flow.run(rows, [spec], self._ledger):
                key = videos[outcome.key]
                phase.advance(frames[outcome.key], outcome.failure is not None)
                for dub in by_video[key]:
                    dub.attempts = max(dub.attempts, outcome.attempts)
                if outcome.failure:
                    for dub in by_video[key]:
                        self._fail(dub, outcome.failure)
                else:
                    scanned: Scanned = outcome.value
                    looked += scanned.looked
                    waiting[key].discard(outcome.key)
                    if not waiting[key]:
                        tables.submit(orders[key])
                self._take_tables(tables.finished(), by_video)
            self._take_tables(tables.finished(wait=True), by_video)
        self._console.print(
            f"faces detected in {self._detected} videos for {len(self._rows)} dubs "
            f"({looked} of {sum(frames.values())} frames looked at)",
            highlight=False,
        )

    def _take_tables(
        self, finished: Iterable[tuple[TableOrder, str | Failure]], by_video: dict[str, list[_Dub]]
    ) -> None:
        for order, answer in finished:
            if isinstance(answer, Failure):
                for dub in by_video[order.key]:
                    self._fail(dub, answer)

    def _choose(self, by_video: dict[str, list[_Dub]]) -> None:
        choices = []
        for key, dubs in by_video.items():
            info = dubs[0].info
            assert info is not None
            choices.append(Choice(key, dubs[0].table, self._settings.face, info.width, info.height))
        for choice, speaker in each("choose", choose_speaker, choices, self._tasks_limit):
            for dub in by_video[choice.key]:
                if isinstance(speaker, Failure):
                    self._fail(dub, speaker)
                elif not speaker.chosen:
                    self._no_face(dub)
                else:
                    dub.speaker = speaker

    # ------------------------------------------------------------------ pass 2

    def make_lips(self) -> None:
        """Make what is missing of every dub's segments; join a dub as soon as it has all of them."""
        layout = lay_out(self._cluster, self._workers, alone=False)
        committed = storage.list_tree(self._url("parts"))
        joining = Tasks("join", make_video, self._tasks_limit)
        rows: list[Segment] = []
        for dub in list(self._going.values()):
            segments = self._segments(dub, layout)
            for segment in segments:
                dub.parts[segment.start] = segment.url
                if f"{dub.row.id}/{storage.name_of(segment.url)}" in committed:
                    dub.reused += 1
                else:
                    dub.missing.add(segment.start)
                    rows.append(segment)
            if not dub.missing:
                joining.submit(self._order(dub))
        frames = {segment.key: segment.stop - segment.start for segment in rows}
        of = {segment.key: segment.dub for segment in rows}
        with Phase(self._console, "lips", len(rows), sum(frames.values())) as phase:
            for outcome in flow.run(rows, self._stages(layout), self._ledger):
                phase.advance(frames[outcome.key], outcome.failure is not None)
                self._take_segment(of[outcome.key], outcome, joining)
                self._take_videos(joining.finished())
            self._take_videos(joining.finished(wait=True))

    def _stages(self, layout: Layout) -> list[StageSpec]:
        settings, model = self._settings, layout.model
        sync = partial(Sync, settings.model, layout.device, settings.precision, self._workers.batch)
        return [
            StageSpec("crop", partial(Crop, CROP), layout.read.workers, layout.read.cpus),
            StageSpec("sync", sync, model.workers, model.cpus, model.gpus, loaded=True),
            StageSpec("compose", Compose, layout.write.workers, layout.write.cpus),
        ]

    def _segments(self, dub: _Dub, layout: Layout) -> list[Segment]:
        assert dub.info is not None
        assert dub.speech is not None
        assert dub.speaker is not None
        settings = self._settings
        dub.frames = output_frames(dub.info, dub.speech, settings.length)
        batch = self._workers.batch or (lips.GPU_BATCH if layout.device == "cuda" else lips.CPU_BATCH)
        return [
            Segment(
                key=f"{dub.row.id}-{start}",
                dub=dub.row.id,
                start=start,
                stop=stop,
                video=dub.info,
                speech=dub.speech,
                loop=settings.loop,
                table=dub.table,
                chosen=dub.speaker.chosen,
                pads=settings.pads,
                blend=settings.blend,
                coding=settings.coding,
                url=self._url("parts", dub.row.id, f"{dub.fingerprint}-{start}-{stop}.mp4"),
            )
            for start, stop in segment_bounds(dub.frames, dub.info.rate, self._workers.segment_s, batch)
        ]

    def _take_segment(self, name: str, outcome: Outcome, joining: Tasks[VideoOrder, str]) -> None:
        dub = self._going.get(name)
        if dub is None:
            return  # failed by another of its segments
        dub.seconds += sum(outcome.seconds.values())
        dub.attempts = max(dub.attempts, outcome.attempts)
        if outcome.failure:
            self._fail(dub, outcome.failure)
            return
        composed: Composed = outcome.value
        dub.faceless[composed.start] = composed.faceless
        dub.missing.discard(composed.start)
        if not dub.missing:
            joining.submit(self._order(dub))

    def _order(self, dub: _Dub) -> VideoOrder:
        assert dub.info is not None
        assert dub.speech is not None
        rate, speech = dub.info.rate, dub.speech
        lasts = Fraction(dub.frames) / rate
        sounding = min(lasts, speech.duration_s) if self._settings.length != "video" else lasts
        track = Track(speech.url, speech.span, sounding)
        url = self._url("videos", f"{dub.row.id}.mp4")
        return VideoOrder(dub.row.id, tuple(sorted(dub.parts.items())), dub.frames, rate, track, url)

    def _take_videos(self, finished: Iterable[tuple[VideoOrder, str | Failure]]) -> None:
        for order, answer in finished:
            dub = self._going[order.dub]
            if isinstance(answer, Failure):
                self._fail(dub, answer)
                continue
            self._end(self._done(dub, answer))
            storage.remove(self._url("parts", order.dub))

    # ------------------------------------------------------------------ ends

    def _done(self, dub: _Dub, output: str) -> Result:
        assert dub.info is not None
        assert dub.speaker is not None
        shown = sum(dub.faceless.values())
        if dub.reused:  # their count of faceless frames went with the run that made them: count again, from the table
            shown = self._count_faceless(dub)
        return Result(
            **asdict(dub.row),
            status="done",
            output=output,
            frames=dub.frames,
            faceless_frames=shown,
            duration_s=float(dub.frames / dub.info.rate),
            segments=len(dub.parts),
            reused_segments=dub.reused,
            **self._common(dub),
        )

    def _count_faceless(self, dub: _Dub) -> int:
        from lipsync_ray.dub.stages import faceless_frames

        assert dub.info is not None
        assert dub.speaker is not None
        return faceless_frames(
            dub.info, dub.table, dub.speaker.chosen, self._settings.pads, dub.frames, self._settings.loop
        )

    def _common(self, dub: _Dub) -> dict[str, Any]:
        info, speaker = dub.info, dub.speaker
        return {
            "model": self._model,
            "tracks": speaker.tracks if speaker else None,
            "seconds": round(dub.seconds, 3),
            "rate": str(info.rate) if info else None,
            "width": info.width if info else None,
            "height": info.height if info else None,
            "attempts": dub.attempts,
            "face_table": dub.table or None,
            "fingerprint": dub.fingerprint,
        }

    def _no_face(self, dub: _Dub) -> None:
        assert dub.info is not None
        reason = (
            f"no face in any of {dub.info.frames} frames (MTCNN, faces from 1/18 of the frame's short side); "
            "nothing was written"
        )
        self._end(Result(**asdict(dub.row), status="no_face", stage="detect", error=reason, **self._common(dub)))

    def _fail(self, dub: _Dub, failure: Failure) -> None:
        if dub.row.id not in self._going:
            return
        if failure.detail:
            self._console.print(f"{dub.row.id}: {failure.detail}", highlight=False, markup=False)
        self._end(_failed(dub.row, failure.stage, failure.reason, **self._common(dub)))

    def _end(self, result: Result) -> None:
        results.record(self._out, result)
        self._results[result.id] = result
        self._going.pop(result.id, None)

    def finish(self, began: float) -> Summary:
        """Write results.parquet and close the run."""
        ordered = [self._results[row.id] for row in self._rows]
        url = results.write_results(self._out, ordered)
        storage.remove(self._url("attempts"))
        self.write_run(began, time.time())
        return Summary(ordered, url, self._detected, time.time() - began)

    def write_run(self, began: float, ended: float | None) -> None:
        """Commit run.json: what was asked for, with what, and how it went."""
        counts: dict[str, int] = defaultdict(int)
        for result in self._results.values():
            counts[result.status] += 1
        record = {
            "run": self._run_id,
            "job": "dub",
            "settings": self._settings.record(),
            "workers": asdict(self._workers),
            "model": {"name": self._model, "sha256": self._model_digest},
            "fingerprint": storage.digest(json.dumps(self._fingerprinted(), sort_keys=True), self._model_digest),
            "versions": {name: version(name) for name in ("lipsync-ray", "ray", "torch", "av", "numpy")},
            "began": began,
            "ended": ended,
            "dubs": len(self._rows),
            "detected_videos": self._detected,
            "status": dict(counts),
        }
        storage.commit_bytes(self._url("run.json"), json.dumps(record, indent=1).encode())


def _failed(row: Dub, stage: str, reason: str, **known: Any) -> Result:
    return Result(**asdict(row), status="failed", stage=stage, error=reason, **known)


def _stem(url: str) -> str:
    stem = storage.name_of(url).rsplit(".", 1)[0]
    return "".join(c if c.isalnum() or c in "._-" else "_" for c in stem)[:60]
