"""The analysis job from files to analysis.parquet, report.txt and index.html.

    identify every file ► measure ► hear (Whisper) ► look (MTCNN) ► tables ► page

What an earlier run committed under the same fingerprint is kept.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import version

from rich.console import Console

from lipsync_ray.analyze import analysis as rows
from lipsync_ray.analyze.analysis import Analysis
from lipsync_ray.analyze.assemble import REPORT, report_text, unusable
from lipsync_ray.analyze.files import File
from lipsync_ray.analyze.page import write_page
from lipsync_ray.analyze.plan import FileRow
from lipsync_ray.analyze.stages import Probe, SampleFaces, Transcribe
from lipsync_ray.analyze.verdict import tally
from lipsync_ray.engine.attempts import Ledger
from lipsync_ray.engine.context import RunContext
from lipsync_ray.engine.progress import ProgressReporter
from lipsync_ray.engine.resources import allocate
from lipsync_ray.engine.runners import started
from lipsync_ray.engine.stages import Failure, Outcome, StageSpec
from lipsync_ray.errors import WeightsError
from lipsync_ray.inputs.content_ids import content_ids
from lipsync_ray.io import storage
from lipsync_ray.io.out_folder import check_writable
from lipsync_ray.models import speech, weights
from lipsync_ray.settings import AnalyzeSettings, Workers

ANALYSIS_VERSION = 1  # raise when the same file and settings would get another row
_VERSIONS_OF = ("lipsync-ray", "ray", "torch", "av", "numpy", "openai-whisper", "langdetect")


@dataclass(frozen=True)
class Analysed:
    """What an analysis came to.

    Attributes
    ----------
    analyses : one per file, in their order
    url : of analysis.parquet
    page : of index.html
    seconds : wall time
    """

    analyses: list[Analysis]
    url: str
    page: str
    seconds: float

    @property
    def complete(self) -> bool:
        """Whether every file could be looked at, whatever its verdict."""
        return all(analysis.status == "done" for analysis in self.analyses)


def run(
    files: list[File],
    settings: AnalyzeSettings,
    workers: Workers,
    out: str,
    console: Console,
    fetching: weights.Progress | None = None,
) -> Analysed:
    """Analyse every file. Without Whisper's weights the text is left out, and its place says why.

    Parameters
    ----------
    out : folder, path or fsspec URL

    Raises
    ------
    WeightsError, CheckpointError, SettingsError, ClusterError : before anything is started
    """
    check_writable(out)
    began = time.time()
    whisper, reason = _whisper(settings.whisper, fetching)
    if reason and settings.whisper != "none":
        console.print(f"without text: {reason}", highlight=False, markup=False)
    out = storage.absolute(out)
    asked = json.dumps([settings.frames, settings.seed, whisper.sha256 if whisper else settings.whisper])
    key = f"{int(began)}-{uuid.uuid4().hex[:6]}"
    with started(workers) as engine:
        allocate(engine.cluster, workers, alone=False)  # options that the cluster cannot meet end the run here
        storage.remove(storage.join(out, "attempts"))
        crew = RunContext(engine, workers, console, Ledger(storage.join(out, "attempts", key), workers.attempts))
        todo, done = _divide(
            files,
            lambda file, identity: FileRow(
                key=file.id,
                file=file,
                identity=identity,
                fingerprint=storage.digest(ANALYSIS_VERSION, identity, asked, json.dumps(asdict(file))),
                out=out,
                frames=settings.frames,
                seed=settings.seed,
                whisper=whisper.name if whisper else None,
                no_whisper=reason,
            ),
        )
        kept = _kept(out, todo)
        if kept:
            console.print(f"{len(kept)} of {len(files)} files were analysed before", highlight=False)
        left = [row for row in todo if row.key not in kept]
        done |= kept | _work(crew, left, whisper)
        storage.remove(storage.join(out, "attempts"))
    ordered = [done[file.id] for file in files]
    url = rows.write_analyses(out, ordered)
    page = write_page(ordered, out)
    _record(out, key, settings, workers, whisper, ordered, began)
    return Analysed(ordered, url, page, time.time() - began)


def _whisper(given: str, fetching: weights.Progress | None) -> tuple[weights.Checkpoint | None, str | None]:
    """(weights, why there are none) of the model that transcribes."""
    if given == "none":
        return None, "--whisper none"
    try:
        return speech.resolve(given, fetching), None
    except WeightsError as error:
        if weights.find(given) is None:
            raise
        return None, str(error).split("\nOne of:")[0].replace("\n ", "")


def _divide(files: Sequence[File], row_of: Callable[[File, str], FileRow]) -> tuple[list[FileRow], dict[str, Analysis]]:
    """The files that are there, and what is said of the others."""
    found = content_ids(file.url for file in files)
    todo: list[FileRow] = []
    gone: dict[str, Analysis] = {}
    for file in files:
        identity = found[file.url]
        if isinstance(identity, Exception):
            gone[file.id] = unusable(row_of(file, ""), Failure("look", f"{file.url}: {identity}"))
        else:
            todo.append(row_of(file, identity))
    return todo, gone


def _kept(out: str, todo: Sequence[FileRow]) -> dict[str, Analysis]:
    """What an earlier run found under the same fingerprint."""
    prints = {row.key: row.fingerprint for row in todo}
    recorded = rows.recorded(out, prints)
    return {name: a for name, a in recorded.items() if a.status == "done" and a.fingerprint == prints[name]}


def _work(crew: RunContext, todo: list[FileRow], whisper: weights.Checkpoint | None) -> dict[str, Analysis]:
    """Every file through the stages; its row is recorded as soon as it is there."""
    layout = allocate(crew.cluster, crew.workers, alone=False)
    stages = [
        StageSpec("measure", Probe, layout.read.workers, layout.read.cpus),
        StageSpec("look", SampleFaces, layout.write.workers, layout.write.cpus),
    ]
    if whisper is not None:
        model = layout.model
        hear = StageSpec("hear", partial(Transcribe, whisper, layout.device), model.workers, model.cpus, model.gpus)
        stages.insert(1, hear)
    of = {row.key: row for row in todo}
    done: dict[str, Analysis] = {}
    with ProgressReporter(crew.console, "analysis", len(todo), 0, "files") as phase:
        for outcome in crew.engine.run(todo, stages, crew.ledger):
            phase.advance(0, outcome.failure is not None)
            row = of[outcome.key]
            done[row.key] = _ended(row, outcome)
            if outcome.failure:
                if outcome.failure.detail:
                    crew.console.print(f"{row.key}: {outcome.failure.detail}", highlight=False, markup=False)
                report = report_text(done[row.key]).encode()
                storage.commit_bytes(storage.join(row.out, row.key, REPORT), report)
            rows.record(row.out, done[row.key])
    return done


def _ended(row: FileRow, outcome: Outcome) -> Analysis:
    analysis: Analysis = unusable(row, outcome.failure) if outcome.failure else outcome.value
    return replace(analysis, seconds=round(sum(outcome.seconds.values()), 3), attempts=outcome.attempts)


def _record(
    out: str,
    key: str,
    settings: AnalyzeSettings,
    workers: Workers,
    whisper: weights.Checkpoint | None,
    ordered: list[Analysis],
    began: float,
) -> None:
    """Commit run.json."""
    record = {
        "run": key,
        "job": "analyze",
        "settings": settings.record(),
        "whisper": whisper and whisper.record(),
        "workers": asdict(workers),
        "versions": {name: version(name) for name in _VERSIONS_OF},
        "began": began,
        "ended": time.time(),
        "files": len(ordered),
        "verdicts": tally([analysis.verdict for analysis in ordered]),
    }
    storage.commit_bytes(storage.join(out, "run.json"), json.dumps(record, indent=1).encode())
