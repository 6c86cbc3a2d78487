"""Writes index.html and warnings.csv: every file with its pictures, language, text and warnings."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterable, Sequence
from importlib import resources
from itertools import groupby

from lipsync_ray.io import storage
from lipsync_ray.io.formatting import number, share
from lipsync_ray.io.parquet import csv_url
from lipsync_ray.io.turns import FILE as TURNS
from lipsync_ray.jobs.analyze.analysis import Analysis
from lipsync_ray.jobs.analyze.assemble import REPORT, times_of
from lipsync_ray.jobs.analyze.verdict import tally
from lipsync_ray.models.spoken import Phrase

FILE = "index.html"
WARNINGS = "warnings.csv"
MAX_FACES = 5  # of a video
MAX_TEXT = 400  # characters
_TEMPLATE = "page.html.j2"


def write_page(analyses: Sequence[Analysis], out: str) -> str:
    """Write the page and the table of warnings; return the page's URL. The page links to pictures in the same folder."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {
        "shortened": shortened,
        "page_phrases": page_phrases,
        "number": number,
        "share": share,
        "times_of": times_of,
    }
    text = (resources.files("lipsync_ray.jobs.analyze") / _TEMPLATE).read_text(encoding="utf-8")
    order = {"impossible": 0, "poor": 1, "good": 2}
    ordered = sorted(analyses, key=lambda a: (order[a.verdict.split(":")[0]], not a.warnings))
    page = environment.from_string(text).render(
        made=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        analyses=ordered,
        counts=tally([analysis.verdict for analysis in analyses]),
        pictures={analysis.id: _pictures(analysis) for analysis in analyses},
        report=REPORT,
        speakers=csv_url(TURNS) if any(analysis.turns for analysis in analyses) else None,
    )
    url = storage.join(out, FILE)
    storage.commit_bytes(url, page.encode())
    storage.commit_bytes(storage.join(out, WARNINGS), _warnings(analyses).encode())
    return url


def shortened(text: str, most: int = MAX_TEXT) -> str:
    """The beginning of the text, truncated at a space."""
    if len(text) <= most:
        return text
    head = text[:most]
    return f"{head.rsplit(' ', 1)[0] if ' ' in head else head} …"


def page_phrases(phrases: Iterable[Phrase] | None, most: int = MAX_TEXT) -> list[tuple[str, str | None]]:
    """(text, why it is uncertain) of the first phrases, up to `most` characters; consecutive phrases with the same
    reason are joined.
    """
    lines: list[tuple[str, str | None]] = []
    left = most
    for uncertain, alike in groupby(phrases or (), key=lambda phrase: phrase.uncertain):
        text = " ".join(phrase.text for phrase in alike)
        if left <= 0:
            return [*lines, ("…", None)]
        lines.append((shortened(text, left), uncertain))
        left -= len(text)
    return lines


def _pictures(analysis: Analysis) -> list[tuple[str, str]]:
    """(file, caption) of some faces, from different frames if possible."""
    faces = sorted(analysis.faces or (), key=lambda face: (face.number, face.frame))[:MAX_FACES]
    return [(face.picture, f"{number(face.time_s, 2)} s, {number(face.height_px)} px") for face in faces]


def _warnings(analyses: Sequence[Analysis]) -> str:
    """One row per warning; reasons of poor and impossible verdicts are included."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("id", "url", "kind", "warning"))
    for analysis in analyses:
        kind, _, reasons = analysis.verdict.partition(": ")
        if reasons:
            writer.writerow((analysis.id, analysis.url, kind, reasons))
        for warning in analysis.warnings:
            writer.writerow((analysis.id, analysis.url, "warning", warning))
    return buffer.getvalue()
