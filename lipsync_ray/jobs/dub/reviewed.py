"""Reviews of a run's dubs, obeyed: which are made anew and for whom, and which are kept whatever the settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from lipsync_ray.errors import ManifestError
from lipsync_ray.faces.table import read_table
from lipsync_ray.inputs.speakers import GivenTurns
from lipsync_ray.io import storage
from lipsync_ray.io.manifest import Dub
from lipsync_ray.io.results import RESULTS, Result, has_output
from lipsync_ray.io.reviews import (
    FILE,
    Judgement,
    Reviewed,
    check_ids,
    commit_decisions,
    decided,
    read_decisions,
    read_review,
)
from lipsync_ray.io.scored import changed_since, flagged, read_scored
from lipsync_ray.io.user_tables import is_table
from lipsync_ray.io.written_turns import NOBODY, WrittenTurn, person_of

MOST_NAMED = 20  # dubs, in the lines of a run
NOBODY_DUBBED = "a review says that nobody is to be dubbed"


@dataclass(frozen=True)
class Reviews:
    """Decisions on the dubs of a run's folder.

    Attributes
    ----------
    out : the folder
    decisions : in force, by id
    asked : ids of which the review that is given now asks for a new video; None where none is given
    accepted : ids that it accepts
    notes : of an evaluation that is given: what is made anew and why, a line each
    before : decisions in force before
    """

    out: str
    decisions: Mapping[str, Reviewed] = field(default_factory=dict)
    asked: frozenset[str] | None = None
    accepted: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()
    before: Mapping[str, Reviewed] = field(default_factory=dict)

    def kept(self, ids: Iterable[str], job: str) -> dict[str, Result]:
        """Rows that a given review leaves as they are: accepted ones, and finished ones of which it says nothing."""
        if self.asked is None:
            return {}
        others = [name for name in ids if name not in self.asked]
        finished = has_output(self.out, ["videos"])
        rows = RESULTS.read(self.out, others, job)
        return {name: row for name, row in rows.items() if name in self.accepted or finished(row)}

    def fingerprint(self, dub: str, before: str) -> str:
        """A dub's fingerprint: another one after each decision on it."""
        return _fingerprint(before, self.decisions.get(dub))

    def same_options(self, rows: Mapping[str, Result], prints: Mapping[str, str]) -> list[str]:
        """Ids that are asked for anew though nothing has changed that decides their frames.

        Parameters
        ----------
        rows : of earlier runs
        prints : id → fingerprint, without decisions
        """
        return [
            name
            for name in self.asked or ()
            if name in rows
            and name in prints
            and rows[name].fingerprint == _fingerprint(prints[name], self.before.get(name))
        ]

    def names_somebody(self, dub: str) -> bool:
        """Whether a review says who is dubbed, or that nobody is."""
        decision = self.decisions.get(dub)
        return decision is not None and decision.person is not None

    def given(self, dub: str, duration_s: Fraction | float) -> GivenTurns | None:
        """Who is dubbed in the whole of a dub's video, which lasts so long; None where no review names anybody."""
        decision = self.decisions.get(dub)
        if decision is None or decision.person is None:
            return None
        turn = WrittenTurn(dub, dub, 0.0, float(duration_s), decision.person)
        return GivenTurns(storage.join(self.out, FILE), (turn,), NOBODY_DUBBED)

    def write(self) -> None:
        """Keep the decisions of a given review in the folder: they hold in later runs, too."""
        if self.asked:
            commit_decisions(self.out, self.decisions)


def _fingerprint(before: str, decision: Reviewed | None) -> str:
    return before if decision is None else storage.digest(before, "review", decision.time, decision.person)


def reviews_of(out: str, dubs: Sequence[Dub], redo: str | None = None) -> Reviews:
    """The decisions in force on the dubs of a folder.

    Parameters
    ----------
    dubs : of the table
    redo : URL of a review, or of an evaluation's folder, which decides anew

    Raises
    ------
    ManifestError : the review has problems, or names a dub or a person that is not there; each with its line. The folder is no
        finished evaluation of these dubs
    """
    before = read_decisions(out)
    if redo is None:
        return Reviews(out, before)
    if not is_table(redo):
        return _by_scores(out, dubs, redo, before)
    judgements = read_review(redo)
    check_ids(redo, judgements, [dub.id for dub in dubs])
    _check_voices(redo, judgements, dubs)
    _check_persons(redo, judgements, out)
    new = decided(before, judgements)
    accepted = frozenset(one.id for one in judgements if one.verdict == "accept")
    return Reviews(out, before | new, frozenset(new), accepted)


def _by_scores(out: str, dubs: Sequence[Dub], folder: str, before: Mapping[str, Reviewed]) -> Reviews:
    """Make anew what an evaluation found faults in, as a review of that time would."""
    scored = read_scored(folder)
    rows = RESULTS.read(out, [dub.id for dub in scored.dubs if dub.faults])
    outputs = {
        name: storage.join(out, "videos", storage.name_of(row.output))
        for name, row in rows.items()
        if row.status == "done" and row.output
    }
    ids = {dub.id for dub in dubs}
    found = flagged(scored, outputs, ids)
    unlisted = sum(bool(dub.faults) and dub.id not in ids for dub in scored.dubs)
    # What this evaluation has made anew already stays asked for, so that the same command again makes nothing.
    mine = {name for name, decision in before.items() if decision.time == scored.time}
    old = changed_since(dub for name, dub in found.items() if name not in mine)
    asked = {
        name: Reviewed(scored.time, before.get(name, Reviewed()).person, f"evaluation: {'; '.join(dub.faults)}")
        for name, dub in found.items()
        if name not in old and before.get(name, Reviewed()).time <= scored.time
    }
    notes = [f"{len(asked)} of {len(scored.dubs)} scored dubs have faults and are made anew by this command's options"]
    notes += [f"{name}: {'; '.join(found[name].faults)}" for name in list(asked)[:MOST_NAMED]]
    notes += [f"… and {len(asked) - MOST_NAMED} more"] if len(asked) > MOST_NAMED else []
    notes += (
        [f"{len(found) - len(asked)} were made or reviewed after they were scored, and stay"]
        if len(found) > len(asked)
        else []
    )
    notes += [f"{unlisted} with faults are left out: the table does not have them"] if unlisted else []
    return Reviews(out, {**before, **asked}, frozenset(asked), notes=tuple(notes), before=before)


def _check_voices(url: str, judgements: Iterable[Judgement], dubs: Sequence[Dub]) -> None:
    """See that one person is named for dubs of one voice only."""
    several = {dub.id for dub in dubs if dub.cues is not None or len(dub.voices) > 1}
    problems = [
        f"{one.place}, person: {one.id} has lines or several voices; expected {NOBODY} here, and each voice's face in the table"
        for one in judgements
        if one.id in several and one.person not in (None, NOBODY)
    ]
    if problems:
        raise ManifestError(url, problems)


def _check_persons(url: str, judgements: Iterable[Judgement], out: str) -> None:
    """See that persons are seen in the videos; of a video without a face table it is seen when it has one."""
    named = {one.id: one for one in judgements if one.person not in (None, NOBODY)}
    tables = {name: storage.name_of(row.face_table or "") for name, row in RESULTS.read(out, named).items()}
    folder = storage.join(out, "faces")
    there = storage.list_names(folder) if tables else set()
    seen = {table: np.unique(read_table(storage.join(folder, table)).person) for table in there & {*tables.values()}}
    problems = []
    for name, table in tables.items():
        person = person_of(named[name].person or "")
        if table in seen and person not in seen[table]:
            persons = ", ".join([*(f"person:{one}" for one in seen[table]), NOBODY])
            problems.append(
                f"{named[name].place}, person: person:{person} is not seen in the video of {name}; expected one of: {persons}"
            )
    if problems:
        raise ManifestError(url, problems)
