"""Prepares an analysis: identifies files before they are opened."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from rich.console import Console

from lipsync_ray import addresses
from lipsync_ray.engine.job import JobRun, JobSpec
from lipsync_ray.engine.runners import Runner
from lipsync_ray.engine.stages import Failure
from lipsync_ray.engine.video_pass import VideoState
from lipsync_ray.inputs.content_ids import content_ids
from lipsync_ray.io import storage
from lipsync_ray.jobs.analyze.analysis import ANALYSES, Analysis
from lipsync_ray.jobs.analyze.assemble import unusable
from lipsync_ray.jobs.analyze.files import File
from lipsync_ray.jobs.analyze.plan import FileRow
from lipsync_ray.jobs.analyze.verdict import tally
from lipsync_ray.models.weights import Checkpoint
from lipsync_ray.settings import AnalyzeSettings, Workers

ANALYSIS_VERSION = 3  # raise when the same file and settings give another row
ANALYZE = JobSpec("analyze", ANALYSES, noun="files", done="analysed", packages=("openai-whisper", "langdetect"))


@dataclass
class FileState(VideoState):
    """State of a file, with its row of work."""

    row: FileRow

    @property
    def id(self) -> str:
        return self.row.key


class AnalyzeRun(JobRun[FileState, Analysis]):
    """One run of the analysis job.

    Attributes
    ----------
    files, settings : of the analysis
    whisper : weights of the transcribing model; None without them
    no_whisper : why there are none
    """

    def __init__(
        self,
        files: list[File],
        settings: AnalyzeSettings,
        workers: Workers,
        out: str,
        console: Console,
        runner: Runner,
        whisper: Checkpoint | None,
        no_whisper: str | None,
    ) -> None:
        super().__init__(ANALYZE, [file.id for file in files], settings.record(), workers, out, console, runner)
        self.files, self.settings, self.whisper, self.no_whisper = files, settings, whisper, no_whisper

    def more(self) -> Mapping[str, Any]:
        verdicts = tally([analysis.verdict for analysis in self.ended.values()])
        return {"whisper": self.whisper and self.whisper.record(), "verdicts": verdicts}

    def row_of(self, video: FileState, status: Any, **values: Any) -> Analysis:
        analysis: Analysis = values.get("found") or unusable(video.row, Failure(values["stage"], values["error"]))
        return replace(analysis, seconds=round(video.seconds, 3), attempts=video.attempts)


def prepare(run: AnalyzeRun) -> None:
    """Identify every file; drop what an earlier run analysed under the same fingerprint."""
    settings = run.settings
    asked = json.dumps([settings.frames, settings.seed, run.whisper.sha256 if run.whisper else settings.whisper])
    found = content_ids(file.url for file in run.files)
    for file in run.files:
        identity = found[file.url]
        known = "" if isinstance(identity, Exception) else identity
        named = {
            name: value for name, value in asdict(file).items() if name != "shown_in"
        }  # changes nothing in its row
        fingerprint = storage.digest(ANALYSIS_VERSION, known, asked, json.dumps(addresses.cleaned(named)))
        row = FileRow(
            key=file.id,
            file=file,
            identity=known,
            fingerprint=fingerprint,
            out=run.out,
            frames=settings.frames,
            seed=settings.seed,
            whisper=run.whisper.name if run.whisper else None,
            no_whisper=run.no_whisper,
        )
        state = run.active[file.id] = FileState(row, fingerprint=fingerprint)
        if isinstance(identity, Exception):
            run.fail(state, Failure("probe", f"{file.url}: {identity}"))
    run.keep(lambda analysis: analysis.status == "done", lambda state: (state.row.file.url,))
