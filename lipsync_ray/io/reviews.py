"""What a reviewer says of a run's dubs: the table that the run's page saves, and what of it a run's folder keeps."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Literal, get_args

from lipsync_ray.errors import ManifestError
from lipsync_ray.io import storage, user_tables
from lipsync_ray.io.user_tables import Row
from lipsync_ray.io.written_turns import NOBODY, person_of

PAGE = "index.html"
FILE = "reviewed.json"  # decisions in force, in the run's folder
PORTRAITS = ("faces", "people")  # the folder of one picture a person
COLUMNS = ("id", "verdict", "person", "note", "time")
Verdict = Literal["accept", "redo", "wrong_person"]

_NEEDED = ("id", "verdict")
_PERSON = f"expected a number of the page's strip of faces, such as person:1, or {NOBODY}"


@dataclass(frozen=True)
class Judgement:
    """A row of a review.

    Attributes
    ----------
    place : "line 7"
    id : of the dub
    verdict : "accept", "redo" or "wrong_person"
    person : who is to be dubbed instead, "person:2" or "nobody"; None with another verdict
    note : the reviewer's words
    time : of the click, ISO 8601 in UTC; "" where the table has none
    """

    place: str
    id: str
    verdict: Verdict
    person: str | None = None
    note: str = ""
    time: str = ""


@dataclass(frozen=True)
class Reviewed:
    """What reviews have decided on a dub. It holds until a later review or the removal of :data:`FILE`.

    Attributes
    ----------
    time : of the latest judgement that asked for a new video
    person : who is dubbed, "person:2" or "nobody"; None for whom the run chooses
    note : the reviewer's words
    """

    time: str = ""
    person: str | None = None
    note: str = ""


def read_review(url: str) -> list[Judgement]:
    """The rows of a review: CSV, JSON lines or Parquet.

    Raises
    ------
    ManifestError : lists every problem, each with its line
    """
    raw = user_tables.read_raw(url, COLUMNS)
    wrong, complete = user_tables.column_problems(raw, _NEEDED, COLUMNS, ", ".join(COLUMNS))
    problems = [*raw.problems, *wrong]
    judgements: list[Judgement] = []
    if complete:
        places: dict[str, str] = {}
        for place, row in zip(raw.places, raw.rows, strict=True):
            found, problem = _judgement(place, row)
            name = row.get("id")
            if name and (before := places.setdefault(name, place)) != place:
                problem.append(f"{place}, id: {name} is judged in {before}, too; expected one row a dub")
            problems += problem
            if found is not None:
                judgements.append(found)
    if not judgements and not problems:
        problems.append("no judgement in it; the page of the run saves one: index.html in its folder")
    if problems:
        raise ManifestError(url, sorted(problems, key=user_tables.row_number))
    return judgements


def _judgement(place: str, row: Row) -> tuple[Judgement | None, list[str]]:
    wrong = [] if row.get("id") else [f"{place}, id: empty"]
    verdict, person = row.get("verdict") or "", row.get("person")
    if verdict not in get_args(Verdict):
        wrong.append(f"{place}, verdict: {verdict or 'empty'}; expected {', '.join(get_args(Verdict))}")
        return None, wrong
    if verdict != "wrong_person" and person:
        wrong.append(f"{place}, person: {person}, but the verdict is {verdict}; expected wrong_person, or no person")
    who = None
    if verdict == "wrong_person":
        number = person_of(person or "")
        who = f"person:{number}" if number is not None else (person or "").lower()
        if number is None and who != NOBODY:
            wrong.append(f"{place}, person: {person or 'empty'}; {_PERSON}")
    time = _utc(row.get("time") or "")
    if time is None:
        wrong.append(f"{place}, time: {row.get('time')}; expected a date and time such as 2026-10-11T12:30:00Z")
    if wrong:
        return None, wrong
    return Judgement(place, row["id"] or "", verdict, who, row.get("note") or "", time or ""), []  # type: ignore[arg-type]


def _utc(text: str) -> str | None:
    """A time as ISO 8601 in UTC, "" of ""; None of another text. A time without a zone is UTC."""
    if not text:
        return ""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    return found.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def check_ids(url: str, judgements: Iterable[Judgement], ids: Sequence[str]) -> None:
    """See that a review is of dubs that there are.

    Raises
    ------
    ManifestError : with the line of each that is not
    """
    known, some = set(ids), ", ".join(ids[:5]) + (", …" if len(ids) > 5 else "")
    problems = [
        f"{one.place}, id: {one.id!r} is none of the dubs ({some})" for one in judgements if one.id not in known
    ]
    if problems:
        raise ManifestError(url, problems)


def decided(before: Mapping[str, Reviewed], judgements: Iterable[Judgement]) -> dict[str, Reviewed]:
    """Decisions of judgements that ask for a new video, by id.

    A judgement that is older than the decision in force is left away. A "redo" keeps the person of an earlier decision.
    """
    out = {}
    for one in judgements:
        old = before.get(one.id, Reviewed())
        if one.verdict != "accept" and not (one.time and one.time < old.time):
            out[one.id] = Reviewed(one.time, one.person or old.person, one.note)
    return out


def read_decisions(out: str) -> dict[str, Reviewed]:
    """Decisions in force in a run's folder, by id.

    Raises
    ------
    ManifestError : the file is not one that a run wrote
    """
    url = storage.join(out, FILE)
    try:
        return {name: Reviewed(**values) for name, values in json.loads(storage.read_bytes(url)).items()}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (ValueError, TypeError, AttributeError):
        raise ManifestError(url, ["not as a run wrote it; restore or remove it"]) from None


def commit_decisions(out: str, decisions: Mapping[str, Reviewed]) -> None:
    """Commit the decisions in force."""
    text = json.dumps({name: asdict(one) for name, one in decisions.items()}, indent=1, ensure_ascii=False)
    storage.commit_bytes(storage.join(out, FILE), text.encode())


def portrait_name(key: str, person: int) -> str:
    """The file name of a person's picture.

    Parameters
    ----------
    key : of the video
    """
    return f"{key}-{person}.jpg"
