"""Summary tables of a study: language × model, with mean, deviation and a bootstrap interval."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from lipsync_ray.io.formatting import NONE, number, text_or_dash
from lipsync_ray.jobs.evaluate.fid import Fid
from lipsync_ray.jobs.evaluate.metric import Metric
from lipsync_ray.jobs.evaluate.scores import METRICS, Score

CONFIDENCE = 0.95
RESAMPLES = 2000
_ADJUSTED = 2000  # values of which BCa intervals are made: its jackknife is quadratic, and equals percentiles for many
_BATCH = 4_000_000  # values that are resampled at a time
_SEED = 0
ALL = "all"


@dataclass(frozen=True)
class Stat:
    """A metric over a group's videos.

    Attributes
    ----------
    mean, deviation : of the videos; the latter (n − 1) is None for a single one
    low, high : bootstrap 95 % interval of the mean (BCa); None if n < 3
    count : videos with the metric
    """

    mean: float
    deviation: float | None
    low: float | None
    high: float | None
    count: int


@dataclass(frozen=True)
class GroupRow:
    """One language × model.

    Attributes
    ----------
    language, model : of the group; "all" for all languages
    videos : number in the group
    scored : number scored
    of : of a sample: rows of the table from which they are drawn; None where all are scored
    stats : metric → numbers, for metrics that any video has
    fid : None if not computed
    """

    language: str
    model: str
    videos: int
    scored: int
    of: int | None
    stats: dict[str, Stat]
    fid: Fid | None


def stat(values: Sequence[float], weights: Sequence[float] = ()) -> Stat | None:
    """Mean, deviation and interval of values; None without any.

    Parameters
    ----------
    weights : rows for which each value stands; empty where they are equal
    """
    from scipy.stats import bootstrap

    if not values:
        return None
    x = np.asarray(values, np.float64)
    w = np.asarray(weights or np.ones(len(x)), np.float64)
    mean = _weighted(x, w)
    deviation = float(np.sqrt(_weighted((x - mean) ** 2, w) * len(x) / (len(x) - 1))) if len(x) > 1 else None
    if len(x) < 3 or np.ptp(x) == 0:
        edge = mean if len(x) >= 3 else None
        return Stat(mean, deviation, edge, edge, len(x))
    rng = np.random.default_rng(_SEED)
    how: dict[str, Any] = {"confidence_level": CONFIDENCE, "n_resamples": RESAMPLES}
    if len(x) > _ADJUSTED:
        how |= {"method": "percentile", "batch": max(1, _BATCH // len(x))}
    if np.ptp(w) == 0:
        interval = bootstrap((x,), np.mean, rng=rng, **how).confidence_interval
    else:
        interval = bootstrap((x, w), _weighted, paired=True, vectorized=False, rng=rng, **how).confidence_interval
    return Stat(mean, deviation, float(interval.low), float(interval.high), len(x))


def _weighted(x: NDArray[np.float64], w: NDArray[np.float64]) -> float:
    return float(x.mean() if np.ptp(w) == 0 else (x * w).sum() / w.sum())


def groups(scores: Iterable[Score], fids: Iterable[Fid]) -> list[GroupRow]:
    """The rows of the summary: every language × model, and every model over all its languages."""
    members: dict[tuple[str, str], list[Score]] = defaultdict(list)
    for score in scores:
        members[score.language or NONE, score.model or NONE].append(score)
    models = sorted({model for _, model in members})
    for model in models:
        own = [key for key in members if key[1] == model]
        if len(own) > 1:
            members[ALL, model] = [score for key in own for score in members[key]]
    fid_of = {(fid.language, fid.model): fid for fid in fids}
    order = sorted(members, key=lambda key: (key[0] == ALL, key[0], key[1]))
    rows = []
    for language, model in order:
        inside = members[language, model]
        key = (None if language in (ALL, NONE) else language, None if model == NONE else model)
        stats = {}
        for metric in METRICS:
            known = [(v, s.stands_for or 1.0) for s in inside if (v := metric.value(s)) is not None and np.isfinite(v)]
            if (found := stat([value for value, _ in known], [weight for _, weight in known])) is not None:
                stats[metric.name] = found
        scored = sum(score.status == "scored" for score in inside)
        drawn = any(score.stands_for for score in inside)
        of = round(sum(score.stands_for or 1.0 for score in inside)) if drawn else None
        rows.append(GroupRow(language, model, len(inside), scored, of, stats, fid_of.get(key)))
    return rows


def listed_metrics(rows: Sequence[GroupRow]) -> list[Metric]:
    """The metrics that any group has."""
    return [metric for metric in METRICS if any(metric.name in row.stats for row in rows)]


def flat_rows(rows: Iterable[GroupRow]) -> list[dict[str, object]]:
    """The summary with one column for each number, for CSV and parquet."""
    out = []
    for row in rows:
        flat: dict[str, object] = {
            "language": row.language,
            "model": row.model,
            "videos": row.videos,
            "scored": row.scored,
            "of": row.of,
        }
        for metric in METRICS:
            found = row.stats.get(metric.name)
            for part in ("mean", "deviation", "low", "high", "count"):
                flat[f"{metric.name}_{part}"] = getattr(found, part) if found else None
        fid = row.fid
        flat["fid"] = fid.fid if fid else None
        flat["fid_generated"] = fid.generated if fid else None
        flat["fid_real"] = fid.real if fid else None
        flat["fid_note"] = fid.note if fid else None
        out.append(flat)
    return out


def parquet(rows: list[dict[str, object]]) -> bytes:
    """Rows of plain values as a parquet file."""
    buffer = io.BytesIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    pq.write_table(pa.table({name: [row.get(name) for row in rows] for name in names}), buffer, compression="zstd")
    return buffer.getvalue()


def csv_text(rows: list[dict[str, object]]) -> str:
    """Rows of plain values as CSV."""
    buffer = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(buffer, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: "" if row.get(name) is None else row[name] for name in names} for row in rows)
    return buffer.getvalue()


def score_row(score: Score) -> dict[str, object]:
    """A video's row without its curves, with the metrics that follow from its columns."""
    row = {k: v for k, v in asdict(score).items() if not isinstance(v, list)}
    return row | {metric.name: metric.value(score) for metric in METRICS if metric.name not in row}


@dataclass(frozen=True)
class System:
    """A checkpoint that made scored videos: its licence, abilities and limits, if known."""

    name: str
    licence: str
    can: str = ""
    cannot: str = ""


def systems(scores: Iterable[Score]) -> list[System]:
    """Every checkpoint that made scored videos."""
    from lipsync_ray.models.abilities import ability_of
    from lipsync_ray.models.registry import licences_of

    # Models with one name in several evaluations have their folder's name appended.
    models = sorted({score.model.partition(" (")[0] for score in scores if score.model})
    found = dict.fromkeys(pair for model in models for pair in licences_of(model))
    known = ((name, licence, ability_of(name)) for name, licence in found)
    return [
        System(name, licence, does.can if does else "", does.cannot if does else "") for name, licence, does in known
    ]


def markdown(scores: Sequence[Score], rows: Sequence[GroupRow]) -> str:
    """The two tables of a study: groups (with FID), and LSE per video × model."""
    metrics = listed_metrics(rows)
    head = [
        "language",
        "model",
        "videos",
        *(f"{m.title}{f', {m.unit}' if m.unit else ''} ({m.better})" for m in metrics),
    ]
    lines = ["## Language × model", "", "Mean ± standard deviation [95 % interval], n where it differs.", ""]
    if note := sample_note(rows):
        lines += [note, ""]
    lines += [_line([*head, "FID (lower)"]), _line(["---"] * (len(head) + 1))]
    for row in rows:
        cells = [row.language, row.model, videos_of(row)]
        cells += [_stat(row.stats.get(m.name), m.digits, row.scored) for m in metrics]
        fid = NONE if row.fid is None else f"{number(row.fid.fid, 2)} (n = {row.fid.generated}/{row.fid.real})"
        lines.append(_line([*cells, fid]))
    models = sorted({score.model or NONE for score in scores})
    sync = [m for m in metrics if m.scorer]
    lines += ["", "## Video × model", "", _line(["video", *(f"{model}: {m.title}" for model in models for m in sync)])]
    lines.append(_line(["---"] * (1 + len(models) * len(sync))))
    by_video: dict[str, dict[str, Score]] = defaultdict(dict)
    for score in scores:
        by_video[score.id][score.model or NONE] = score
    for name, own in sorted(by_video.items()):
        cells = [number(m.value(own[model]), m.digits) if model in own else "" for model in models for m in sync]
        lines.append(_line([name, *cells]))
    lines += ["", "## Systems", "", _line(["weights", "can", "cannot", "licence"]), _line(["---"] * 4)]
    lines += [_line([one.name, one.can, one.cannot, one.licence]) for one in systems(scores)]
    faulty = [f"- {score.id} ({score.model or NONE}): {text}" for score in scores for text in score.faults or ()]
    if faulty:
        lines += ["", "## Faults found", "", *faulty]
    doubted = [f"- {score.id} ({score.model or NONE}): {text}" for score in scores for text in score.warnings or ()]
    if doubted:
        lines += ["", "## Where a judge disagrees", "", *doubted]
    alone = [score for score in scores if score.reference and score.reference_error]
    if alone:
        lines += ["", "## Not compared with the reference", ""]
        lines += [f"- {score.id} ({score.model or NONE}): {score.reference_error}" for score in alone]
    missing = [score for score in scores if score.status != "scored"]
    if missing:
        lines += ["", "## Not scored", ""]
        lines += [f"- {score.id} ({score.model or NONE}): {text_or_dash(score.error)}" for score in missing]
    return "\n".join(lines) + "\n"


def videos_of(row: GroupRow) -> str:
    """How many of a group's videos are scored, and of a sample from how many it is drawn."""
    return f"{row.scored}/{row.videos}" + (f", drawn of {row.of}" if row.of else "")


def sample_note(rows: Iterable[GroupRow]) -> str:
    """What a reader of a sample's numbers needs to know; "" where all rows are scored."""
    if not any(row.of for row in rows):
        return ""
    return (
        "A sample was scored, drawn from each language, model and source video by its share. A mean weights each video by the "
        "rows that it stands for (column stands_for). Intervals are of a sample: the bootstrap draws the scored videos again, "
        "and has no correction for a finite table."
    )


def _stat(found: Stat | None, digits: int, scored: int) -> str:
    if found is None:
        return NONE
    text = number(found.mean, digits)
    if found.deviation is not None:
        text += f" ± {number(found.deviation, digits)}"
    if found.low is not None:
        text += f" [{number(found.low, digits)}, {number(found.high, digits)}]"
    return text if found.count == scored else f"{text}, n = {found.count}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
