"""The state of one run: what was asked for, which dubs are under way, what became of the others."""

from __future__ import annotations

import json
import time
import uuid
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import Any

from rich.console import Console

from lipsync_ray.engine.attempts import Ledger
from lipsync_ray.engine.context import RunContext
from lipsync_ray.engine.runners import Engine
from lipsync_ray.engine.stages import Failure
from lipsync_ray.engine.video_pass import VideoState
from lipsync_ray.inputs.audio_features import Speech
from lipsync_ray.inputs.face_tables import SpeakerTracks
from lipsync_ray.io import results, storage
from lipsync_ray.io.manifest import Dub
from lipsync_ray.io.results import Result, Summary
from lipsync_ray.media.probe import VideoInfo
from lipsync_ray.models import generators
from lipsync_ray.models.weights import Checkpoint
from lipsync_ray.restoration.weights import Restoration
from lipsync_ray.settings import DubSettings, Workers

_VERSIONS_OF = ("lipsync-ray", "ray", "torch", "av", "numpy")


Use = tuple[str, str]
"""A file's identity, and what it is used as: "video" or "audio"."""


@dataclass
class DubState(VideoState):
    """A dub under way. Fields are filled in as the run gets to know them.

    Attributes
    ----------
    row : of the manifest
    fingerprint : of its inputs, the settings and the weights
    video_key, audio_key : of the distinct files it is made of
    info, speech, speaker, table : what was found in them
    warnings : what a person should know of it
    frames : of the output
    faceless : first frame → frames without a face, of segments made in this run
    restored : frames whose face was restored, likewise
    """

    row: Dub
    fingerprint: str
    video_key: str
    audio_key: str
    info: VideoInfo | None = None
    speech: Speech | None = None
    speaker: SpeakerTracks | None = None
    table: str = ""
    frames: int = 0
    faceless: dict[int, int] = field(default_factory=dict)
    restored: int = 0
    warnings: list[str] = field(default_factory=list)

    def warn(self, *sentences: str) -> None:
        """Note what a person should know, once."""
        self.warnings += [sentence for sentence in sentences if sentence not in self.warnings]


class Run:
    """One run of the dub job.

    Attributes
    ----------
    rows, settings, workers : what was asked for
    out : the run's folder
    device : "cpu" or "cuda": what the networks run on, decided once
    model_weights : of the generator
    model : its name for the results; "+" and the restorer's name, where there is one
    restoration : what restores the faces, where that is asked for
    rejected : use of a file → why an analysis says that it cannot be dubbed
    crew : who does the work
    going : id → dub that has not ended
    results : id → result of one that has
    detected_videos : distinct videos whose faces were detected in this run
    """

    def __init__(
        self,
        rows: list[Dub],
        settings: DubSettings,
        workers: Workers,
        out: str,
        console: Console,
        engine: Engine,
        device: str,
        model: Checkpoint,
        restoration: Restoration | None = None,
        rejected: Mapping[Use, str] | None = None,
    ) -> None:
        self.rejected = rejected or {}
        self.rows, self.settings, self.workers, self.out = rows, settings, workers, out
        self.device, self.model_weights = device, model
        self.model = f"{model.name}+{restoration.name}" if restoration else model.name
        self.restoration = restoration
        self.going: dict[str, DubState] = {}
        self.results: dict[str, Result] = {}
        self.detected_videos = 0
        self._began = time.time()
        self._id = f"{int(self._began)}-{uuid.uuid4().hex[:6]}"
        self.crew = RunContext(engine, workers, console, Ledger(self.url("attempts", self._id), workers.attempts))

    def url(self, *names: str) -> str:
        """A place in the run's folder."""
        return storage.join(self.out, *names)

    def by(self, key: str) -> dict[str, list[DubState]]:
        """The dubs under way, grouped by an attribute."""
        out: dict[str, list[DubState]] = defaultdict(list)
        for dub in self.going.values():
            out[getattr(dub, key)].append(dub)
        return dict(out)

    def fingerprinted(self) -> dict[str, Any]:
        """The settings that change frames; the model goes in by its content instead of its name."""
        batch = generators.batch_of(self.workers.batch, self.device)
        values = self.settings.record() | {"device": self.device, "batch": batch}
        values["model"] = self.model_weights.sha256
        if self.restoration:
            values["restore"]["model"] = self.restoration.digest
        return values

    def known(self, dub: DubState) -> dict[str, Any]:
        """What a result can say of a dub, however far it came."""
        info, speaker = dub.info, dub.speaker
        return {
            "model": self.model,
            "tracks": speaker.tracks if speaker else None,
            "seconds": round(dub.seconds, 3),
            "rate": str(info.rate) if info else None,
            "width": info.width if info else None,
            "height": info.height if info else None,
            "attempts": dub.attempts,
            "face_table": dub.table or None,
            "fingerprint": dub.fingerprint,
            "warnings": tuple(dub.warnings),
        }

    def fail(self, dub: DubState, failure: Failure) -> None:
        """End a dub with a reason; a second reason for the same dub changes nothing."""
        if dub.row.id not in self.going:
            return
        if failure.detail:
            self.crew.console.print(f"{dub.row.id}: {failure.detail}", highlight=False, markup=False)
        self.end(failed(dub.row, failure.stage, failure.reason, **self.known(dub)))

    def no_face(self, dub: DubState) -> None:
        """End a dub in whose video nobody is seen."""
        assert dub.info is not None
        reason = (
            f"no face in any of {dub.info.frames} frames (MTCNN, faces from 1/18 of the frame's short side); "
            "nothing was written"
        )
        self.end(Result(**asdict(dub.row), status="no_face", stage="detect", error=reason, **self.known(dub)))

    def end(self, result: Result) -> None:
        """Record what became of a dub; from here on a run that starts anew knows it."""
        results.record(self.out, result)
        self.results[result.id] = result
        self.going.pop(result.id, None)

    def finish(self) -> Summary:
        """Write results.parquet and close the run."""
        ordered = [self.results[row.id] for row in self.rows]
        url = results.write_results(self.out, ordered)
        storage.remove(self.url("attempts"))
        ended = time.time()
        self.write(ended)
        return Summary(ordered, url, self.detected_videos, ended - self._began)

    def write(self, ended: float | None = None) -> None:
        """Commit run.json: what was asked for, with what, and how it went."""
        counts: dict[str, int] = defaultdict(int)
        for result in self.results.values():
            counts[result.status] += 1
        record = {
            "run": self._id,
            "job": "dub",
            "settings": self.settings.record(),
            "workers": asdict(self.workers),
            "model": {"name": self.model, "sha256": self.model_weights.sha256},
            "fingerprint": storage.digest(json.dumps(self.fingerprinted(), sort_keys=True)),
            "versions": {name: version(name) for name in _VERSIONS_OF},
            "began": self._began,
            "ended": ended,
            "dubs": len(self.rows),
            "detected_videos": self.detected_videos,
            "status": dict(counts),
        }
        storage.commit_bytes(self.url("run.json"), json.dumps(record, indent=1).encode())


def failed(row: Dub, stage: str, reason: str, **known: Any) -> Result:
    """The result of a dub that cannot be made."""
    return Result(**asdict(row), status="failed", stage=stage, error=reason, **known)
