"""Who speaks when, as a user gives it: a run's own table, edited, or an RTTM file.

A table has the columns of :mod:`lipsync_ray.io.turns`; a person is written ``2`` or ``person:2``, or ``nobody``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lipsync_ray.errors import ManifestError
from lipsync_ray.io import table_files, user_tables
from lipsync_ray.io.turns import SCHEMA, Turn
from lipsync_ray.io.user_tables import Row

NOBODY = "nobody"
READABLE = ".csv, .tsv, .jsonl, .json (each also with .gz), .parquet or .rttm"

_PERSON = re.compile(r"(?:person:)?(\d{1,6})", re.IGNORECASE)
_ROUNDING_S = 0.05  # beyond a video's end that is its last frame's, or a text's rounding
_NEEDED = ("start_s", "end_s", "person")
_RTTM_FIELDS = 8  # of the ten that a line has; the last two are often left away
_NO_VALUE = "<NA>"


@dataclass(frozen=True)
class WrittenTurn:
    """A turn as somebody wrote it.

    Attributes
    ----------
    place : "line 7"
    dub : whose; "" where the file does not say
    start_s, end_s : seconds from the video's first frame
    speaker : a person ("person:2"), "nobody", or another name
    confidence : 0–1
    """

    place: str
    dub: str
    start_s: float
    end_s: float
    speaker: str
    confidence: float = 1.0


def read_written(url: str) -> list[WrittenTurn]:
    """The turns of a table (CSV, JSON lines, Parquet) or an RTTM file that a user gives.

    Raises
    ------
    ManifestError : with every problem found, each naming its line
    """
    kind = url.lower().endswith(".rttm")
    if not kind and not user_tables.is_table(url):
        raise ManifestError(url, [f"unknown kind of table; expected a name ending in {READABLE}"])
    rows, problems = _rttm(url) if kind else _table(url)
    turns: list[WrittenTurn] = []
    for place, row in rows:
        turn, wrong = _turn(place, row)
        problems += wrong
        if turn is not None:
            turns.append(turn)
    problems += _overlaps(turns)
    if not rows and not problems:
        problems.append("no turn in it")
    if problems:
        raise ManifestError(url, sorted(problems, key=user_tables.row_number))
    return turns


def _turn(place: str, row: Row) -> tuple[WrittenTurn | None, list[str]]:
    start, end, sure = (_number(row.get(name)) for name in ("start_s", "end_s", "confidence"))
    wrong = [
        f"{place}, {name}: {row.get(name) or 'empty'}; expected seconds from the video's beginning, such as 12.4"
        for name, value in (("start_s", start), ("end_s", end))
        if value is None or value < 0
    ]
    if not wrong and start is not None and end is not None and end <= start:
        wrong.append(f"{place}: ends at {end:g} s, before it starts, at {start:g} s")
    if row.get("confidence") and (sure is None or not 0 <= sure <= 1):
        wrong.append(f"{place}, confidence: {row['confidence']}; expected 0 to 1, or nothing")
    speaker = row.get("person")
    if not speaker:
        wrong.append(f"{place}, person: empty; expected a number of the face table, such as person:1, or {NOBODY}")
    if wrong or start is None or end is None or not speaker:
        return None, wrong
    person = person_of(speaker)
    name = speaker if person is None else f"person:{person}"
    return WrittenTurn(place, row.get("dub") or "", start, end, name, 1.0 if sure is None else sure), []


def person_of(speaker: str) -> int | None:
    """The number that a text names as a person; None of another name."""
    found = _PERSON.fullmatch(speaker)
    return int(found[1]) if found else None


def dubs_of(
    url: str, turns: Iterable[WrittenTurn], ids: Sequence[str], stems: Mapping[str, str] | None = None
) -> dict[str, list[WrittenTurn]]:
    """Written turns by the dub that they are of. One that names no dub is of all of them.

    Parameters
    ----------
    ids : of the dubs that there are
    stems : id ↦ name of its video without folder and extension, by which a turn may name the dub, too

    Raises
    ------
    ManifestError : a turn of a dub that is not there
    """
    out: dict[str, list[WrittenTurn]] = {}
    problems = []
    some = ", ".join(ids[:5]) + (", …" if len(ids) > 5 else "")
    by_stem: dict[str, list[str]] = {}
    for name, stem in (stems or {}).items():
        by_stem.setdefault(stem, []).append(name)
    for turn in turns:
        found = [turn.dub] if turn.dub in ids else by_stem.get(turn.dub, []) if turn.dub else ids
        for name in found:
            out.setdefault(name, []).append(turn)
        if not found:
            problems.append(f"{turn.place}, dub: {turn.dub!r} is none of the dubs ({some}), nor the name of a video")
    if problems:
        raise ManifestError(url, problems)
    return out


def check_times(url: str, turns: Iterable[WrittenTurn], duration_s: float) -> None:
    """See that turns of a dub lie in its source video.

    Raises
    ------
    ManifestError
    """
    problems = [
        f"{turn.place}: ends at {turn.end_s:g} s, but the video ends at {duration_s:g} s"
        for turn in turns
        if turn.end_s > duration_s + _ROUNDING_S
    ]
    if problems:
        raise ManifestError(url, problems)


def known_turns(
    url: str, turns: Iterable[WrittenTurn], persons: Collection[int], decided: Sequence[Turn] = ()
) -> tuple[Turn, ...]:
    """Written turns of a dub as turns of persons; those of nobody are left away.

    Other names than persons', as diarization writes them, are given to persons by what was decided: each name to who was found
    to speak for longest in its turns, each person once; a name without one is nobody in view.

    Parameters
    ----------
    persons : that the face table has
    decided : of the same video; none where nothing could be told

    Raises
    ------
    ManifestError : a person that is not there, or a name and nothing decided
    """
    turns = list(turns)
    problems = []
    for turn in turns:
        person = person_of(turn.speaker)
        if person is not None and person not in persons:
            there = ", ".join(f"person:{one}" for one in sorted(persons)) or "none"
            problems.append(f"{turn.place}, person: {turn.speaker} is not seen in the video; expected one of: {there}")
        elif person is None and turn.speaker.lower() != NOBODY and not decided:
            problems.append(
                f"{turn.place}, person: {turn.speaker!r} is a name, and who it is could not be found by the video's sound; "
                "write person:1 for it"
            )
    if problems:
        raise ManifestError(url, problems)
    who = matched(turns, decided)
    return tuple(
        Turn(turn.start_s, turn.end_s, who[turn.speaker], turn.confidence)
        for turn in sorted(turns, key=lambda turn: turn.start_s)
        if turn.speaker in who
    )


def matched(turns: Iterable[WrittenTurn], decided: Sequence[Turn]) -> dict[str, int]:
    """Speaker → person of those that have one; names by the seconds that they share with what was decided, most first."""
    shared: dict[tuple[str, int], float] = {}
    out: dict[str, int] = {}
    for turn in turns:
        person = person_of(turn.speaker)
        if person is not None:
            out[turn.speaker] = person
        elif turn.speaker.lower() != NOBODY:
            for other in decided:
                both = min(turn.end_s, other.end_s) - max(turn.start_s, other.start_s)
                if both > 0:
                    pair = turn.speaker, other.person
                    shared[pair] = shared.get(pair, 0.0) + both
    for (name, person), _ in sorted(shared.items(), key=lambda item: (-item[1], item[0])):
        if name not in out and person not in out.values():
            out[name] = person
    return out


def _table(url: str) -> tuple[list[tuple[str, Row]], list[str]]:
    raw = user_tables.read_raw(url, SCHEMA.names)
    wrong, complete = user_tables.column_problems(raw, _NEEDED, SCHEMA.names, ", ".join(SCHEMA.names))
    if not complete:
        raise ManifestError(url, [*raw.problems, *wrong])
    return list(zip(raw.places, raw.rows, strict=True)), [*raw.problems, *wrong]


def _rttm(url: str) -> tuple[list[tuple[str, Row]], list[str]]:
    """Lines "SPEAKER file channel onset duration <NA> <NA> name <NA> <NA>"; other types and comments are left away."""
    rows: list[tuple[str, Row]] = []
    text, problem = table_files.decoded(user_tables.read_file(url, "table"))
    problems = [] if problem is None else [problem]
    for number, line in enumerate(text.splitlines(), 1):
        words, place = line.split(), f"line {number}"
        if not words or words[0].startswith(";") or words[0].upper() != "SPEAKER":
            continue
        if len(words) < _RTTM_FIELDS:
            problems.append(f"{place}: {len(words)} fields; expected SPEAKER file 1 onset duration <NA> <NA> name")
            continue
        onset, lasts = _number(words[3]), _number(words[4])
        if onset is None or lasts is None:
            problems.append(f"{place}: onset {words[3]}, duration {words[4]}; expected seconds")
            continue
        sure = words[8] if len(words) > _RTTM_FIELDS and words[8] != _NO_VALUE else None
        dub = None if words[1] == _NO_VALUE else words[1]
        row: Row = {
            "dub": dub,
            "start_s": words[3],
            "end_s": repr(onset + lasts),
            "person": words[7],
            "confidence": sure,
        }
        rows.append((place, row))
    return rows, problems


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _overlaps(turns: Iterable[WrittenTurn]) -> Iterator[str]:
    """A sentence for each turn that begins while another one of the same speaker lasts."""
    for turn, before in user_tables.overlapping(turns, lambda turn: (turn.dub, turn.speaker)):
        yield f"{turn.place}: {turn.speaker} from {turn.start_s:g} s on, but of {before.place} until {before.end_s:g} s"
