"""The page of a dub run, on which a person looks at the dubs and says which are good: ``OUT/index.html``."""

from __future__ import annotations

import json
import re
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import lru_cache
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from lipsync_ray.io import storage
from lipsync_ray.io.results import Result, Summary
from lipsync_ray.io.reviews import PAGE, PORTRAITS, Reviewed, read_decisions
from lipsync_ray.io.run_folder import read_record
from lipsync_ray.report.templates import data_uri, template_of

_READERS = 32
_TABLE = re.compile(r".*-([0-9a-f]{16})\.parquet")  # a face table's name, which ends in its video's key
_PORTRAIT = re.compile(r"([0-9a-f]{16})-(\d+)\.jpg")
_PICTURE = re.compile(r".*\.(png|jpe?g|webp|bmp|gif|tiff?|avif|heic)", re.IGNORECASE)

People = Mapping[str, Mapping[int, str]]
"""Key of a video → person → the picture, as a data URI."""


def write_review_page(summary: Summary) -> str:
    """Write the page of a run into its folder; the page's URL."""
    out = storage.parent(summary.results_url)
    record = read_record(out) or {}
    loop = record.get("settings", {}).get("loop", "pingpong")
    text = review_page(summary.results, out, read_people(out), read_decisions(out), loop)
    url = storage.join(out, PAGE)
    storage.commit_bytes(url, text.encode())
    return url


def read_people(out: str) -> dict[str, dict[int, str]]:
    """The pictures of people that a run's folder has."""
    folder = storage.join(out, *PORTRAITS)
    found = [match for name in sorted(storage.list_names(folder)) if (match := _PORTRAIT.fullmatch(name))]
    with ThreadPoolExecutor(_READERS) as pool:
        pictures = pool.map(lambda match: data_uri(storage.join(folder, match[0]), "image/jpeg"), found)
        people: dict[str, dict[int, str]] = defaultdict(dict)
        for match, picture in zip(found, pictures, strict=True):
            people[match[1]][int(match[2])] = picture
    return {key: dict(sorted(own.items())) for key, own in people.items()}


def review_page(
    rows: Sequence[Result], out: str, people: People, decisions: Mapping[str, Reviewed], loop: str = "pingpong"
) -> str:
    """The page, as HTML.

    Parameters
    ----------
    out : the run's folder; videos in it are linked relative to it
    decisions : of earlier reviews, by id
    loop : how a source goes on that is shorter than its dub: "pingpong", "restart" or "freeze"
    """
    name = storage.name_of(out)
    data = {"folder": name, "loop": loop, **page_data(rows, out, people, decisions)}
    counts = {status: sum(row.status == status for row in rows) for status in ("done", "failed", "no_face")}
    return template_of("review.html.j2").render(
        made=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        folder=name,
        rows=rows,
        counts=counts,
        models=sorted({row.model for row in rows if row.model}),
        data=json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"),
    )


def page_data(rows: Sequence[Result], out: str, people: People, decisions: Mapping[str, Reviewed]) -> dict[str, Any]:
    """What the page's script shows, as JSON values. Texts, models and people that dubs share stand once."""
    texts, models, videos = _Numbered(), _Numbered(), _Numbered()
    dubs = []
    for row in rows:
        match = _TABLE.fullmatch(storage.name_of(row.face_table or ""))
        key = match[1] if match and match[1] in people else None
        values = {
            "id": row.id,
            "status": row.status,
            "print": row.fingerprint,
            "source": link_of(row.video, out),
            "still": bool(_PICTURE.fullmatch(storage.name_of(row.video))),
            "dub": f"videos/{quote(storage.name_of(row.output))}" if row.output else None,
            "language": row.language,
            "model": models.of(row.model),
            "stage": row.stage,
            "error": texts.of(row.error),
            "warnings": [texts.of(text) for text in row.warnings],
            "frames": row.frames,
            "faceless": row.faceless_frames,
            "hidden": row.hidden_frames,
            "seconds": None if row.duration_s is None else round(row.duration_s, 2),
            "size": [row.width, row.height] if row.width and row.height else None,
            "turns": [[round(one.start_s, 2), round(one.end_s, 2), one.person] for one in row.turns or ()],
            "lines": [
                [round(one.start_s, 2), round(one.end_s, 2), one.person, (one.text or "")[:80]]
                for one in row.lines or ()
            ],
            "several": row.lines is not None or len(row.voices) > 1,
            "video": videos.of(key),
            "decision": asdict(decisions[row.id]) if row.id in decisions else None,
        }
        dubs.append({name: value for name, value in values.items() if value not in ([], None) and value is not False})
    pictures = [[[person, picture] for person, picture in people[key].items()] for key in videos.values]
    return {"texts": texts.values, "models": models.values, "people": pictures, "dubs": dubs}


@lru_cache(maxsize=4096)
def link_of(url: str, out: str) -> str:
    """A link from the page to a source: relative in the run's folder; else its address, of a local file as ``file:``."""
    folder = out.rstrip("/") + "/"
    if url.startswith(folder):
        return quote(url.removeprefix(folder))
    if storage.is_local(url):
        return PurePath(storage.local_path(url)).as_uri()
    return url


class _Numbered:
    """Values that several dubs share, each once; a dub has their numbers."""

    def __init__(self) -> None:
        self.values: list[str] = []
        self._places: dict[str, int] = {}

    def of(self, value: str | None) -> int | None:
        """The number of a value; None of None."""
        if value is None:
            return None
        if value not in self._places:
            self._places[value] = len(self.values)
            self.values.append(value)
        return self._places[value]
