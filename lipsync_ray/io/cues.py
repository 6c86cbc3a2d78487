"""Cues: the lines of a dub, each with its time, its sound, and optionally its speaker and text.

A table (:mod:`lipsync_ray.io.table_files`) has the columns start, end and optionally audio, audio_start, audio_end,
speaker, text. SubRip (.srt) and WebVTT (.vtt) have times and texts; their sound is the same time range of one file.
Libraries for these formats skip what they cannot parse. A skipped line would be a silent mouth, so here it is an error
with its line number.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from lipsync_ray import addresses
from lipsync_ray.errors import ManifestError
from lipsync_ray.io import table_files, user_tables

SUBTITLES = (".srt", ".vtt")
COLUMNS = ("start", "end", "audio", "audio_start", "audio_end", "speaker", "text")
_REQUIRED = ("start", "end")
_ROUNDING_S = Fraction(1, 20)
_TIME = re.compile(r"(?:(?:(\d+):)?(\d{1,2}):)?(\d+(?:[.,]\d+)?)")
_TIMING = re.compile(r"\s*(\S+)\s+-->\s+(\S+)(?:\s.*)?")
_VOICE = re.compile(r"<v(?:\.[^\s>]*)?\s+([^>]+)>")
_TAG = re.compile(r"<[^>]*>|\{\\[^}]*\}")
_NO_CUE = ("NOTE", "STYLE", "REGION")  # first words of WebVTT blocks that are not cues


@dataclass(frozen=True)
class Cue:
    """One line of a dub.

    Attributes
    ----------
    start_s, end_s : when it is spoken, from the video's first frame; exact
    audio : path or fsspec URL of its sound
    audio_start_s, audio_end_s : time range of that file; None for its end
    speaker : as the user wrote it
    text : of a subtitle
    place : "line 7" or "row 3" of its file
    """

    start_s: Fraction
    end_s: Fraction
    audio: str
    audio_start_s: Fraction = Fraction(0)
    audio_end_s: Fraction | None = None
    speaker: str | None = None
    text: str | None = None
    place: str = ""


@dataclass(frozen=True)
class _Written:
    """A line before parsing; `speaker` and `text` as in :class:`Cue`."""

    place: str
    start: str | None
    end: str | None
    audio: str | None = None
    audio_start: str | None = None
    audio_end: str | None = None
    speaker: str | None = None
    text: str | None = None


def read_cues(url: str, audio: str | None = None) -> list[Cue]:
    """Read the lines of a file, sorted by start.

    Parameters
    ----------
    audio : sound of lines that name none: the same time range of it

    Raises
    ------
    ManifestError : lists every problem: invalid times, an end before its start, overlapping lines of one speaker,
        missing files
    """
    problems: list[str] = []
    written = _subtitles(url, problems) if _is_subtitle(url) else _table(url, problems)
    resolve = user_tables.resolver(url)
    found = [cue for one in written if (cue := _cue(one, audio, resolve, problems)) is not None]
    cues = sorted(found, key=lambda cue: (cue.start_s, cue.end_s))
    if not written and not problems:
        problems.append("no line in it")
    problems += _overlaps(cues)
    absent = user_tables.why_absent(dict.fromkeys(cue.audio for cue in cues))
    problems += [f"{cue.place}, audio: {cue.audio}: {absent[cue.audio]}" for cue in cues if cue.audio in absent]
    if problems:
        raise ManifestError(url, sorted(problems, key=user_tables.row_number))
    return cues


def beyond(cues: Iterable[Cue], lasts_s: Fraction) -> list[str]:
    """A sentence for each line that ends after a video does, by more than times are rounded."""
    return [
        f"{cue.place}: ends at {float(cue.end_s):.3f} s, the video at {float(lasts_s):.3f} s"
        for cue in cues
        if cue.end_s > lasts_s + _ROUNDING_S
    ]


def seconds(text: str) -> Fraction | None:
    """Parse a time exactly: seconds, or [hours:]minutes:seconds, with a point or a comma; None if it is not a time."""
    if (found := _TIME.fullmatch(text.strip())) is None:
        return None
    hours, minutes, rest = found.groups()
    if minutes is not None and (int(minutes) > 59 or Fraction(rest.replace(",", ".")) >= 60):
        return None
    return 3600 * int(hours or 0) + 60 * int(minutes or 0) + Fraction(rest.replace(",", "."))


def _is_subtitle(url: str) -> bool:
    return addresses.without_query(url).lower().endswith(SUBTITLES)


def _table(url: str, problems: list[str]) -> list[_Written]:
    raw = user_tables.read_raw(url, COLUMNS)
    problems += raw.problems
    wrong, complete = user_tables.column_problems(
        raw, _REQUIRED, COLUMNS, f"{', '.join(_REQUIRED)} and optionally {', '.join(COLUMNS[2:])}"
    )
    problems += wrong
    if not complete:
        return []
    return [
        _Written(place, **{name: row.get(name) for name in COLUMNS})
        for place, row in zip(raw.places, raw.rows, strict=True)
    ]


def _subtitles(url: str, problems: list[str]) -> list[_Written]:
    text, problem = table_files.decoded(user_tables.read_file(url, "subtitle"))
    if problem is not None:
        problems.append(problem)
    found = []
    for first, block in _blocks(text):
        if first == 1 and block[0].startswith("WEBVTT"):
            block, first = block[1:], 2
        if not block or block[0].split(maxsplit=1)[:1] in ([word] for word in _NO_CUE):
            continue
        at = next((number for number, line in enumerate(block[:2]) if "-->" in line), None)
        timing = _TIMING.fullmatch(block[at]) if at is not None else None
        if at is None or timing is None:
            problems.append(
                f"line {first + (at or 0)}: {block[at or 0]!r} is not a time; expected 00:00:01.000 --> 00:00:02.500"
            )
            continue
        body = "\n".join(block[at + 1 :])
        voice = _VOICE.search(body)
        plain = html.unescape(_TAG.sub("", body)).strip()
        found.append(
            _Written(
                f"line {first + at}",
                timing[1],
                timing[2],
                speaker=voice[1].strip() if voice else None,
                text=plain or None,
            )
        )
    return found


def _blocks(text: str) -> Iterator[tuple[int, list[str]]]:
    """(number of its first line, lines) of each block between blank lines."""
    block: list[str] = []
    number = 0
    for number, line in enumerate([*re.split(r"\r\n|\r|\n", text), ""], 1):
        if line.strip():
            block.append(line)
        elif block:
            yield number - len(block), block
            block = []


def _cue(one: _Written, audio: str | None, resolve: Callable[[str], str], problems: list[str]) -> Cue | None:
    times: dict[str, Fraction | None] = {}
    faults = []
    for name in ("start", "end", "audio_start", "audio_end"):
        text = getattr(one, name)
        times[name] = seconds(text) if text is not None else None
        if text is not None and times[name] is None:
            faults.append(f"{one.place}, {name}: {text!r} is not a time; expected seconds or [hours:]minutes:seconds")
        elif text is None and name in _REQUIRED:
            faults.append(f"{one.place}, {name}: empty")
    start, end = times["start"], times["end"]
    if start is not None and end is not None and end <= start:
        faults.append(f"{one.place}: ends at {one.end}, not after its start at {one.start}")
    first, last = times["audio_start"], times["audio_end"]
    if last is not None and last <= (first or 0):
        faults.append(f"{one.place}: its sound ends at {one.audio_end}, not after its start at {one.audio_start or 0}")
    source = resolve(one.audio) if one.audio else audio
    if source is None:
        faults.append(f"{one.place}: names no sound; expected a file in the column audio, here or in the table of dubs")
    problems += faults
    if faults or start is None or end is None or source is None:
        return None
    if one.audio is None and first is None and last is None:
        first, last = start, end
    return Cue(start, end, source, first or Fraction(0), last, one.speaker, one.text, one.place)


def _overlaps(cues: list[Cue]) -> Iterator[str]:
    for cue, before in user_tables.overlapping(cues, lambda cue: cue.speaker):
        hint = f"of {cue.speaker!r}, who says one at a time" if cue.speaker else "of no speaker; name who says them"
        yield (
            f"{cue.place}: begins at {float(cue.start_s):.3f} s, before the end of {before.place} at "
            f"{float(before.end_s):.3f} s; both are lines {hint}"
        )
