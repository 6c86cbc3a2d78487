"""Puts the finished dubs of a video into one file: the last step of a run with ``--one-file``.

A file exists only while it contains all dubs of its video in their present state: rows keep a digest of its content.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol, TypeVar

from lipsync_ray import addresses
from lipsync_ray.engine.job import JobRun
from lipsync_ray.engine.progress import ProgressReporter
from lipsync_ray.engine.stages import Failure
from lipsync_ray.errors import ManifestError, SettingsError
from lipsync_ray.io import storage
from lipsync_ray.io.names import Source, unique_ids
from lipsync_ray.io.results import ONE_FILE, Result
from lipsync_ray.media.choices import VideoCoding
from lipsync_ray.media.codecs import container_of, other_names, video_name
from lipsync_ray.media.languages import three_letters, title_of_language
from lipsync_ray.media.one_file import LanguageDub, join_languages
from lipsync_ray.provenance.claims import Claim, SourceFile
from lipsync_ray.provenance.kept import url_here
from lipsync_ray.provenance.marking import Marking

VERSION = 1  # raise when the same dubs would give another file
STAGE = "one file"


class OneLanguage(Protocol):
    """A row of a table, or of its results."""

    @property
    def id(self) -> str: ...
    @property
    def video(self) -> str: ...
    @property
    def language(self) -> str | None: ...


R = TypeVar("R", bound=OneLanguage)


def by_video(rows: Iterable[R]) -> dict[str, list[R]]:
    """Address of a source video → its rows, in the order of the table."""
    out: dict[str, list[R]] = {}
    for row in rows:
        out.setdefault(addresses.address(row.video), []).append(row)
    return out


def check_languages(rows: Iterable[OneLanguage]) -> int:
    """Check that a table's rows can be put into one file for each video; return the number of these files.

    Raises
    ------
    SettingsError : no video has two rows
    ManifestError : rows of one video lack a language, or have the same one; lists every problem
    """
    several = [own for own in by_video(rows).values() if len(own) > 1]
    if not several:
        raise SettingsError("--one-file: no video has two rows; expected a table with several languages of a video")
    problems = []
    for own in several:
        before: dict[str, str] = {}
        for row in own:
            named = f"{row.id}, column 'language'"
            if not row.language:
                problems.append(f"{named}: empty; expected the language of each dub of {storage.name_of(row.video)}")
            elif three_letters(row.language) is None:
                problems.append(f"{named}: {row.language!r} is not known; expected a language such as es or pt-BR")
            elif (other := before.setdefault(title_of_language(row.language), row.id)) != row.id:
                problems.append(
                    f"{named}: the same as that of {other}, for the same video; expected one dub per language"
                )
    if problems:
        raise ManifestError("--one-file", problems)
    return len(several)


@dataclass(frozen=True)
class OneFileOrder:
    """A file to write.

    Attributes
    ----------
    key : its name without an ending
    dubs : (URL, its row) in order
    url : where it is committed
    claim, marking : what it says of itself, and how
    """

    key: str
    dubs: tuple[tuple[str, Result], ...]
    url: str
    claim: Claim
    marking: Marking

    @property
    def digest(self) -> str:
        """Changes with what is in the file."""
        dubs = [(row.id, row.language, row.fingerprint, row.sound, row.mark, row.frames) for _, row in self.dubs]
        return storage.digest(VERSION, storage.name_of(self.url), self.marking.digest(self.claim), *dubs)

    @property
    def note_of_lengths(self) -> str | None:
        """A sentence where its languages do not last equally long; None where they do."""
        lasts = [(row.frames or 0) / Fraction(row.rate or 25) for _, row in self.dubs]
        if min(lasts) == max(lasts):
            return None
        return (
            f"{storage.name_of(self.url)}: its languages last {float(min(lasts)):.2f} to {float(max(lasts)):.2f} s; a shorter one "
            "ends with a still picture. --length video gives them one length"
        )


def make_one_file(order: OneFileOrder) -> str:
    """Write and commit a file; return its URL.

    Raises
    ------
    EncodeError, SigningError : it cannot be written, or not be signed
    """
    with tempfile.TemporaryDirectory() as scratch:
        made = [_dub(url, row, Path(scratch) / str(number)) for number, (url, row) in enumerate(order.dubs)]
        path = Path(scratch) / storage.name_of(order.url)
        comment, finish = order.marking.on(order.claim)
        join_languages(made, path, comment)
        if finish is not None:
            finish(path)
        storage.commit_file(path, order.url)
    return order.url


def _dub(url: str, row: Result, scratch: Path) -> LanguageDub:
    path = storage.local_path(url) if storage.is_local(url) else scratch / storage.name_of(url)
    if not storage.is_local(url):
        scratch.mkdir()
        storage.copy(url, str(path))
    lines = any(line.text for line in row.lines or ())
    return LanguageDub(path, row.language or "", Fraction(row.rate or 25), row.frames or 0, lines)


def make_one_files(run: JobRun[Any, Result], asked: bool, coding: VideoCoding, marking: Marking) -> None:
    """Write the missing files of a run whose rows have all ended, and remove files that do not match its dubs.

    Parameters
    ----------
    asked : whether they are wanted; otherwise files that match stay
    """
    there = storage.list_names(run.url(ONE_FILE))
    if not asked and not there and not any(row.one_file for row in run.rows):
        return
    groups = by_video(run.rows)
    names = unique_ids([Source(url) for url in groups])
    orders: list[OneFileOrder] = []
    for name, rows in zip(names, groups.values(), strict=True):
        for other in there.intersection(other_names(name, coding)):
            storage.remove(run.url(ONE_FILE, other))
        file = video_name(name, coding)
        left = [row.id for row in rows if row.status != "done"]
        elsewhere = [row.id for row in rows if row.output and not row.output.endswith(f".{container_of(coding)}")]
        order = None if left or elsewhere else _order(run, name, file, rows, marking)
        if order is not None and file in there and all(row.one_file_digest == order.digest for row in rows):
            continue
        if file in there:
            storage.remove(run.url(ONE_FILE, file))
        if order is not None and asked and len(rows) > 1:
            orders.append(order)
            continue
        for row in rows:
            if row.one_file is not None:
                run.end(replace(row, one_file=None, one_file_digest=None), recorded=row.status == "done")
        if asked and len(rows) > 1:
            rows_left, why = (left, "not done") if left else (elsewhere, "kept in another container")
            run.log(
                f"--one-file: {file} is not written, as {', '.join(rows_left)} {'is' if len(rows_left) == 1 else 'are'} {why}"
            )
    if not orders:
        return
    with ProgressReporter(run.context.console, STAGE, len(orders), 0, "files") as progress:
        for order, made in run.context.map_tasks(STAGE, make_one_file, orders):
            progress.advance(0, isinstance(made, Failure))
            if isinstance(made, Failure):
                run.context.failures.report(order.key, made)
            if not isinstance(made, Failure) and (note := order.note_of_lengths) is not None:
                run.log(note)
            for _, row in order.dubs:
                if isinstance(made, Failure):  # the dubs are done, and their records say so: the next run tries again
                    said = f"{storage.name_of(order.url)}: {made.reason}"
                    row = replace(row, run=run.id, status="failed", stage=STAGE, error=said)
                    run.end(replace(row, one_file=None, one_file_digest=None), recorded=False)
                else:
                    run.end(replace(row, one_file=made, one_file_digest=order.digest))


def _order(run: JobRun[Any, Result], name: str, file: str, rows: Sequence[Result], marking: Marking) -> OneFileOrder:
    dubs = tuple((url_here(run, row), row) for row in rows)
    consent, rights = (
        "; ".join(dict.fromkeys(filter(None, column))) or None
        for column in ([row.consent for row in rows], [row.rights for row in rows])
    )
    sources = tuple(SourceFile("video", url) for url, _ in dubs)
    claim = Claim(file, "languages", rows[0].model or "", sources=sources, consent=consent, rights=rights)
    return OneFileOrder(name, dubs, run.url(ONE_FILE, file), claim, marking)
