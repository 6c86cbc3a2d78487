"""The jobs as Python functions; what they need is imported when they are called.

Each takes paths or fsspec URLs, settings as frozen dataclasses, and returns what the job came to. What the command line
prints is printed where ``progress`` is true. The command line itself calls these functions.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rich.console import Console

from lipsync_ray.errors import SettingsError
from lipsync_ray.io.console import console_for, download_line
from lipsync_ray.jobs.evaluate import PREVIEWS
from lipsync_ray.settings.checks import given
from lipsync_ray.settings.dub import dub_settings, written_by

if TYPE_CHECKING:
    from lipsync_ray.io.manifest import Dub
    from lipsync_ray.io.results import Summary
    from lipsync_ray.jobs.analyze.job import Analysed
    from lipsync_ray.jobs.evaluate.job import Evaluated
    from lipsync_ray.jobs.train.job import Trained
    from lipsync_ray.jobs.train.settings import TrainSettings
    from lipsync_ray.settings import (
        AnalyzeSettings,
        DubSettings,
        EnhanceSettings,
        EvaluateSettings,
        Workers,
    )

Location = str | os.PathLike[str]
"""A path, or a URL as a str."""


def dub(
    video: Location,
    audio: Location,
    out: Location,
    *,
    model: str | None = None,
    settings: DubSettings | None = None,
    workers: Workers | None = None,
    speakers: Location | None = None,
    progress: bool = True,
) -> Summary:
    """Make the face of one video, or picture, speak one audio.

    Parameters
    ----------
    out : the .mp4, .mov, .mkv or .webm to write, in whatever letter case; or a folder, where face table, records and video are kept
    model : "wav2lip_gan", "wav2lip", "warp", "mini", "musetalk", "musetalk-v1", "echomimic", "echomimic-acc", or the path of a
        checkpoint or of a folder of MuseTalk's or EchoMimic's models; overrides the settings' one
    settings : how it is to look; see :class:`~lipsync_ray.settings.DubSettings`
    workers : default: threads of this process, or the cluster of ``$RAY_ADDRESS``
    speakers : who speaks when in the video: a run's speakers.csv or .parquet, edited, or an RTTM file; only they are dubbed, then
    progress : print what happens

    Returns
    -------
    Its one result; with a status "failed" or "no_face" nothing is written to a video `out`

    Raises
    ------
    ManifestError : a file cannot be reached
    SettingsError, WeightsError, CheckpointError, ClusterError, StorageError : before anything is started
    """
    from lipsync_ray.io import storage
    from lipsync_ray.io.manifest import one_dub, with_speakers
    from lipsync_ray.io.out_folder import check_pair, is_video

    pair = os.fspath(video), os.fspath(audio)
    settings, workers = dub_settings(settings, model), _workers(workers, pair)
    target = os.fspath(out).rstrip("/")
    check_pair(target)
    single = is_video(target)
    (row,) = with_speakers([one_dub(*pair)], speakers)
    if storage.absolute(target) in (row.video, row.audio, storage.absolute(settings.sound.background)):
        raise SettingsError(f"-o {target}: the same file is read; expected another name")
    # By way of a folder beside the video, in which a run that was stopped goes on.
    folder = f"{target}.run" if single else target
    if single:
        settings = settings.written_to(target)
    summary = _dub([row], folder, settings, workers, None, progress)
    if single and summary.complete:
        (result,) = summary.results
        storage.copy(result.output or "", target)
        storage.remove(folder)
        return replace(summary, results=[replace(result, output=storage.absolute(target))])
    return summary


def dub_table(
    table: Location,
    out: Location,
    *,
    model: str | None = None,
    settings: DubSettings | None = None,
    workers: Workers | None = None,
    analysis: Location | None = None,
    speakers: Location | None = None,
    redo: Location | None = None,
    require_consent: bool = False,
    progress: bool = True,
) -> Summary:
    """Make every dub of a table, and ``OUT/index.html`` to review them. The table: CSV, JSON lines or Parquet with the columns
    video, audio or cues, and optionally id, face, language, consent, rights, background. Rows of one id are the voices of one dub.

    Parameters
    ----------
    out : folder of the results; what an earlier run finished there is kept
    workers : default: Ray, on this machine or the cluster of ``$RAY_ADDRESS``
    analysis : analysis.parquet of :func:`analyze`: what is impossible by it is not tried
    speakers : who speaks when, of the dubs whose column `speakers` is empty: a run's speakers.csv or .parquet, edited, or an RTTM
        file
    redo : review.csv of the run's page, or the folder of an evaluation: dubs that the review asks for, or in which the evaluation
        found faults, are made anew with these settings; other finished dubs stay
    require_consent : refuse a table with rows whose `consent` is empty
    model, settings, progress, Raises : as for :func:`dub`
    """
    from lipsync_ray.io.manifest import read_manifest, with_speakers
    from lipsync_ray.io.out_folder import is_video

    settings, workers = dub_settings(settings, model), _workers(workers)
    if is_video(os.fspath(out)):
        raise SettingsError(f"-o {os.fspath(out)}: a table's results go into a folder")
    rows = with_speakers(read_manifest(os.fspath(table), require_consent), speakers)
    return _dub(rows, os.fspath(out), settings, workers, analysis, progress, redo)


def _dub(
    rows: list[Dub],
    out: str,
    settings: DubSettings,
    workers: Workers,
    analysis: Location | None,
    progress: bool,
    redo: Location | None = None,
) -> Summary:
    from lipsync_ray.jobs.analyze.rejected import read_rejected
    from lipsync_ray.jobs.dub.job import run
    from lipsync_ray.report.review import write_review_page

    review = None if redo is None else os.fspath(redo)
    rejected = read_rejected(os.fspath(analysis)) if analysis is not None else None
    console = console_for(progress)
    _print_licence(settings.model, console)
    if settings.coding.codec is None and settings.coding.container not in (None, "mp4"):
        console.print(f"written by {written_by(settings)}", highlight=False, soft_wrap=True)
    summary = run(rows, settings, workers, out, console, download_line(console), rejected, review)
    write_review_page(summary)
    return summary


def enhance(
    sources: Location | Sequence[Location],
    out: Location,
    *,
    settings: EnhanceSettings | None = None,
    workers: Workers | None = None,
    progress: bool = True,
) -> Summary:
    """Restore the faces of a finished run's videos, or of any videos and pictures, with GFPGAN.

    Parameters
    ----------
    sources : the folder of a run, or files
    out, workers, progress, Raises : as for :func:`dub_table`
    """
    from lipsync_ray.jobs.enhance.job import run
    from lipsync_ray.jobs.enhance.sources import read_items
    from lipsync_ray.settings import EnhanceSettings

    settings = given("settings", settings, EnhanceSettings) or EnhanceSettings()
    workers = _workers(workers)
    items, base = read_items(_several(sources), settings.face)
    console = console_for(progress)
    _print_licence(settings.restore.model, console)
    return run(items, base, settings, workers, os.fspath(out), console, download_line(console))


def evaluate(
    source: Location,
    out: Location,
    *,
    settings: EvaluateSettings | None = None,
    workers: Workers | None = None,
    previews: int | None = PREVIEWS,
    progress: bool = True,
) -> Evaluated:
    """Score a finished run's videos, or those of a table; write tables and ``report/index.html``.

    Parameters
    ----------
    source : the folder of a run, or a table with the columns video and optionally reference, id, language, model
    previews : videos that the report shows with pictures and a player: the worst, the best and a sample; None for all
    out, workers, progress, Raises : as for :func:`dub_table`
    """
    from lipsync_ray.jobs.evaluate.evaluation_input import read_inputs
    from lipsync_ray.jobs.evaluate.job import run
    from lipsync_ray.report.page import write_report
    from lipsync_ray.settings import EvaluateSettings

    settings = given("settings", settings, EvaluateSettings) or EvaluateSettings()
    workers = _workers(workers)
    if previews is not None and (type(previews) is not int or previews < 0):
        raise SettingsError(f"previews={previews!r}: expected a number of videos, or None for all")
    inputs = read_inputs(os.fspath(source), settings.face)
    console = console_for(progress)
    fetching = download_line(console)
    evaluated = run(inputs, settings, workers, os.fspath(out), console, fetching, previews)
    write_report([evaluated.out], evaluated.out, previews)
    return evaluated


def analyze(
    sources: Location | Sequence[Location],
    out: Location,
    *,
    settings: AnalyzeSettings | None = None,
    workers: Workers | None = None,
    progress: bool = True,
) -> Analysed:
    """Know the input before dubbing: details, transcript, translation, language, faces, and a verdict for each file.

    Parameters
    ----------
    sources : a table of dubs, or files; patterns such as ``in/*.mp4`` too
    out, workers, progress, Raises : as for :func:`dub_table`
    """
    from lipsync_ray.jobs.analyze.files import read_files
    from lipsync_ray.jobs.analyze.job import run
    from lipsync_ray.settings import AnalyzeSettings

    settings = given("settings", settings, AnalyzeSettings) or AnalyzeSettings()
    workers = _workers(workers)
    files = read_files(_several(sources))
    console = console_for(progress)
    _print_licence(settings.whisper, console)
    return run(files, settings, workers, os.fspath(out), console, download_line(console))


def train(
    clips: Location,
    out: Location,
    *,
    settings: TrainSettings | None = None,
    workers: Workers | None = None,
    progress: bool = True,
) -> Trained:
    """Teach a network on clips of people who talk; weights, curve and model card go to ``out``.

    Parameters
    ----------
    clips : folder of clips in which one person talks, or a table with columns video and optionally person
    out, workers, progress, Raises : as for :func:`dub_table`; the same call again goes on from the last checkpoint
    """
    from lipsync_ray.jobs.train.clips import read_clips
    from lipsync_ray.jobs.train.job import run
    from lipsync_ray.jobs.train.settings import TrainSettings

    settings = given("settings", settings, TrainSettings) or TrainSettings()
    workers = _workers(workers)
    found = read_clips(os.fspath(clips))
    console = console_for(progress)
    if settings.init is not None:
        _print_licence(settings.init, console)
    return run(found, settings, workers, os.fspath(out), console, download_line(console))


def _several(sources: Location | Sequence[Location]) -> list[str]:
    if isinstance(sources, str | os.PathLike):
        return [os.fspath(sources)]
    return [os.fspath(source) for source in sources]


def _workers(asked: Workers | None, pair: tuple[str, str] | None = None) -> Workers:
    from lipsync_ray.profiles import auto_engine
    from lipsync_ray.settings import Workers

    return given("workers", asked, Workers) or Workers(engine=auto_engine(None, pair))


def _print_licence(name: str, console: Console) -> None:
    from lipsync_ray.models import weights

    found = weights.find(name)
    if found and not found.bundled:
        console.print(f"weights {found.name}, licence: {found.licence}", highlight=False, soft_wrap=True)
