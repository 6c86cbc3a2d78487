"""The analysis job from files to analysis.parquet, report.txt and index.html.

    identify every file ► probe ► transcribe (Whisper) ► sample faces (MTCNN) ► people, and who speaks ► tables ► page

Results of an earlier run with the same fingerprint are reused.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from rich.console import Console

from lipsync_ray.engine.occupancy import run_lock
from lipsync_ray.engine.resources import Layout, allocate
from lipsync_ray.engine.start import started
from lipsync_ray.errors import WeightsError
from lipsync_ray.io import storage
from lipsync_ray.io.out_folder import check_out
from lipsync_ray.jobs.analyze.analysis import Analysis
from lipsync_ray.jobs.analyze.assemble import REPORT, report_text
from lipsync_ray.jobs.analyze.files import File
from lipsync_ray.jobs.analyze.inputs import ANALYZE, AnalyzeRun, prepare
from lipsync_ray.jobs.analyze.page import write_page
from lipsync_ray.jobs.analyze.people import find_people
from lipsync_ray.jobs.analyze.stages import Probe, SampleFaces, Transcribe
from lipsync_ray.models import speech, weights
from lipsync_ray.settings import AnalyzeSettings, Workers


@dataclass(frozen=True)
class Analysed:
    """Result of an analysis.

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
        """Whether every file was readable, whatever its verdict."""
        return all(analysis.status == "done" for analysis in self.analyses)


def run(
    files: list[File],
    settings: AnalyzeSettings,
    workers: Workers,
    out: str,
    console: Console,
    fetching: weights.Progress | None = None,
) -> Analysed:
    """Analyse every file. Without Whisper's weights the text is omitted, with the reason.

    Parameters
    ----------
    out : folder, path or fsspec URL

    Raises
    ------
    WeightsError, CheckpointError, SettingsError, ClusterError : before any work starts
    """
    check_out(out, ANALYZE.name)
    whisper, reason = _whisper(settings.whisper, fetching)
    if reason and settings.whisper != "none":
        console.print(f"without text: {reason}", highlight=False, markup=False, soft_wrap=True)
    out = storage.absolute(out)
    with run_lock(out, console), started(workers) as runner:
        layout = allocate(runner.cluster, workers, alone=False)  # impossible options end the run here
        with AnalyzeRun(files, settings, workers, out, console, runner, whisper, reason) as run:
            run.write()
            prepare(run)
            run.forget_before()
            _work(run, layout)
            if settings.find_speakers:
                find_people(run, layout)
            url = run.finish()
            return Analysed(run.rows, url, write_page(run.rows, out), run.seconds)


def _whisper(given: str, fetching: weights.Progress | None) -> tuple[weights.Checkpoint | None, str | None]:
    """(weights, why there are none) of the transcribing model."""
    if given == "none":
        return None, "--whisper none"
    try:
        return speech.resolve(given, fetching), None
    except WeightsError as error:
        if weights.find(given) is None:
            raise
        return None, str(error).split("\nOne of:")[0].replace("\n ", "")


def _work(run: AnalyzeRun, layout: Layout) -> None:
    """Run every file through the stages; record each row as soon as it is ready."""
    stages = [
        layout.read.stage("measure", Probe),
        layout.write.stage("sample faces", SampleFaces),
    ]
    if run.whisper is not None:
        stages.insert(1, layout.model.stage("transcribe", partial(Transcribe, run.whisper, layout.device)))
    todo = [state.row for state in run.active.values()]
    for row, outcome in run.context.run_rows("analysis", "files", todo, stages, lambda row: 0):
        state = run.active[row.key]
        state.seconds, state.attempts = sum(outcome.seconds.values()), outcome.attempts
        if outcome.failure is None:
            run.end(run.row_of(state, "done", found=outcome.value))
        else:
            run.fail(state, outcome.failure)
            report = report_text(run.ended[row.key]).encode()
            storage.commit_bytes(storage.join(row.out, row.key, REPORT), report)
