"""Writes the report of one or several evaluations as one HTML file with tables, plots, pictures and players."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from typing import Any

from lipsync_ray.errors import ManifestError, SettingsError
from lipsync_ray.io import storage
from lipsync_ray.io.formatting import NONE
from lipsync_ray.io.out_folder import check_out
from lipsync_ray.io.run_folder import REPORT, REPORT_PAGE, record_of
from lipsync_ray.jobs.evaluate import PREVIEWS
from lipsync_ray.jobs.evaluate.fid import Fid
from lipsync_ray.jobs.evaluate.previews import (
    FOLDER,
    player_name,
    previewed,
    restored_name,
    strip_name,
    worst_first,
)
from lipsync_ray.jobs.evaluate.scores import METRICS_FOLDER, SCORES, Score
from lipsync_ray.jobs.evaluate.state import EVALUATE
from lipsync_ray.jobs.evaluate.summary import GroupRow, groups, listed_metrics, markdown, sample_note, systems
from lipsync_ray.metrics.lse import MAX_SHIFT
from lipsync_ray.report import figures
from lipsync_ray.report.templates import data_uri, template_of

FILE = REPORT_PAGE


@dataclass(frozen=True)
class FinishedEvaluation:
    """An evaluation in the report: its folder, its run.json, its rows."""

    folder: str
    record: dict[str, Any]
    scores: list[Score]
    fids: list[Fid]


@dataclass(frozen=True)
class Detail:
    """One video on the page: its score, its pictures and player as data URIs, its curves as SVG."""

    score: Score
    strip: str
    restored: str
    player: str
    shift: str
    confidence: str


def read_evaluation(folder: str) -> FinishedEvaluation:
    """Read a finished evaluation.

    Raises
    ------
    ManifestError : the folder is not a finished evaluation
    """
    try:
        record = record_of(folder, EVALUATE.name)
        rows = SCORES.read_table(folder)
        fids = [Fid(**row) for row in json.loads(storage.read_bytes(storage.join(folder, METRICS_FOLDER, "fid.json")))]
    except FileNotFoundError:
        raise ManifestError(
            folder, ["not the folder of a finished evaluation (lipsync-ray evaluate … -o FOLDER)"]
        ) from None
    return FinishedEvaluation(folder, record, rows, fids)


def write_report(folders: Sequence[str], out: str, previews: int | None = PREVIEWS) -> str:
    """Write ``OUT/report/index.html`` (with ``tables.md`` beside it) for some evaluations; return the page's URL.

    If several evaluations have a model of the same name, their folders' names are appended.

    Parameters
    ----------
    previews : number of videos with pictures (the worst, the best, and a sample); None for all

    Raises
    ------
    ManifestError : a folder is not a finished evaluation
    SettingsError : a folder is given twice; `out` belongs to another job, or is not writable
    """
    # The page of a single evaluation goes into its own folder.
    if [folder.rstrip("/") for folder in folders] != [out.rstrip("/")]:
        check_out(out, REPORT)
    sources = [read_evaluation(folder) for folder in folders]
    _check_different(folders)
    sources = _with_unique_names(sources)
    scores = [score for source in sources for score in source.scores]
    fids = [fid for source in sources for fid in source.fids]
    rows = groups(scores, fids)
    url = storage.join(out, FILE)
    storage.commit_bytes(url, _page(sources, scores, rows, fids, previews).encode())
    storage.commit_bytes(storage.join(out, "report", "tables.md"), markdown(scores, rows).encode())
    return url


def _check_different(folders: Sequence[str]) -> None:
    """Reject the same folder in two spellings; copies of an evaluation are allowed.

    Raises
    ------
    SettingsError : names both
    """
    by_key: dict[str, str] = {}
    for folder in folders:
        key = storage.file_key(folder)
        if key in by_key:
            raise SettingsError(f"{folder}: the same folder as {by_key[key]}; give each evaluation once")
        by_key[key] = folder


def _with_unique_names(sources: list[FinishedEvaluation]) -> list[FinishedEvaluation]:
    """Rename models so that their names are unique."""
    of: dict[str | None, set[str]] = {}
    for source in sources:
        for score in source.scores:
            of.setdefault(score.model, set()).add(source.folder)
    out = []
    for source in sources:
        names = {
            model: f"{model or NONE} ({storage.name_of(source.folder.rstrip('/'))})"
            for model, there in of.items()
            if len(there) > 1
        }
        scores = [replace(s, model=names.get(s.model, s.model)) for s in source.scores]
        fids = [replace(fid, model=names.get(fid.model, fid.model)) for fid in source.fids]
        out.append(replace(source, scores=scores, fids=fids))
    return out


def _page(
    sources: list[FinishedEvaluation], scores: list[Score], rows: list[GroupRow], fids: list[Fid], previews: int | None
) -> str:
    template = template_of("page.html.j2")
    colours = dict(zip(dict.fromkeys(row.model for row in rows), cycle(figures.COLOURS), strict=False))
    metrics = listed_metrics(rows)
    bars = {
        m.name: figures.bars(
            [r for r in rows if m.name in r.stats], m, colours, [c for c in metrics if c.control_of == m.name]
        )
        for m in metrics
        if not m.control_of
    }
    folder_of = {id(score): source.folder for source in sources for score in source.scores}
    ordered = worst_first(scores)
    details = [
        _detail(score, folder_of[id(score)], colours[score.model or NONE]) for score in previewed(scores, previews)
    ]
    return template.render(
        made=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        sources=sources,
        scores=ordered,
        rows=rows,
        metrics=metrics,
        bars=bars,
        colours=colours,
        details=details,
        faulty=[score for score in ordered if score.faults],
        sample_note=sample_note(rows),
        doubted=[score for score in ordered if score.warnings],
        unscored=[score for score in scores if score.status != "scored"],
        fids=fids,
        fid_notes=sorted({fid.note for fid in fids if fid.note}),
        fid_weights=sorted(
            {w["name"] for s in sources if (w := s.record.get("fid_weights")) is not None and not w["published"]}
        ),
        scorers=sorted({str(s.record["settings"]["scorer"]) for s in sources}),
        protocols=sorted({str(s.record["settings"]["protocol"]) for s in sources}),
        reach=MAX_SHIFT,
        systems=systems(scores),
        consents=sum(s.record.get("consent") or 0 for s in sources),
        dash=NONE,
    )


def _detail(score: Score, folder: str, colour: str) -> Detail:
    files = (strip_name(score), "image/jpeg"), (restored_name(score), "image/jpeg"), (player_name(score), "video/webm")
    strip, restored, player = (data_uri(storage.join(folder, FOLDER, name), kind) for name, kind in files)
    return Detail(
        score,
        strip,
        restored,
        player,
        figures.shift_curve(score, colour) if score.curve else "",
        figures.confidence_curve(score, colour) if score.confidence else "",
    )
