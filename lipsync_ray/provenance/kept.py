"""Reuses rows that an earlier run finished; if only their provenance changed, marks the files again without new frames."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

from lipsync_ray.engine.job import JobRun
from lipsync_ray.engine.stages import Failure
from lipsync_ray.io import storage
from lipsync_ray.io.records import still_valid
from lipsync_ray.io.results import Result, has_output
from lipsync_ray.provenance.claims import Claim
from lipsync_ray.provenance.marking import Marking, MarkOrder, mark_again


def provenance_columns(marking: Marking, claim: Claim) -> dict[str, Any]:
    """Columns of a finished row that describe its file's provenance."""
    signer = marking.signer.sha256 if marking.signer is not None else None
    return {"provenance": marking.kind, "signer": signer, "mark": marking.digest(claim)}


def keep_and_mark(
    run: JobRun[Any, Result],
    claims: Mapping[str, Claim],
    marking: Marking,
    folders: Iterable[str],
    inputs: Callable[[Any], Iterable[str | None]],
    same: Callable[[Result], bool] = lambda row: True,
) -> None:
    """Reuse rows that an earlier run finished with the same fingerprint, as :meth:`JobRun.keep` does, and update their
    marks.

    Parameters
    ----------
    claims : id → new claim, for the requested rows
    folders : the run's folders of finished files
    inputs : returns a row's input files, which every node must be able to read
    same : whether the file of a finished row is as it is to be, but for its provenance
    """
    there = has_output(run.out, folders)
    signs = marking.signer.files if marking.signer is not None else ()

    def usable(row: Result) -> bool:
        current = row.status != "done" or (same(row) and row.mark == marking.digest(claims[row.id]))
        return current and there(row)

    run.keep(usable, lambda state: (*inputs(state), *signs))
    for name, row in list(run.ended.items()):
        claim = claims.get(name)
        if claim is not None and (row.consent, row.rights) != (claim.consent, claim.rights):
            run.end(replace(row, consent=claim.consent, rights=claim.rights))
    if run.active:
        _mark_finished(run, claims, marking, lambda row: there(row) and same(row))


def _mark_finished(
    run: JobRun[Any, Result], claims: Mapping[str, Claim], marking: Marking, there: Callable[[Result], bool]
) -> None:
    prints = {name: state.fingerprint for name, state in run.active.items()}
    rows = still_valid(run.before, prints, lambda row: row.status == "done" and there(row))
    if not rows:
        return
    run.log(
        f"{len(rows)} of {len(run.ids)} {run.spec.noun} were {run.spec.done} before, and their provenance has changed"
    )
    orders = [
        MarkOrder(
            name,
            url_here(run, row),
            row.frames or 1,
            Fraction(row.rate or 25),
            replace(claims[name], drawn=row.drawn, title=storage.name_of(row.output or "")),
            marking,
            tuple((one.url, one.content) for one in claims[name].sources),
        )
        for name, row in rows.items()
    ]
    for order, answer in run.context.map_tasks("mark", mark_again, orders):
        row = replace(
            rows[order.key], run=run.id, output=order.url, consent=order.claim.consent, rights=order.claim.rights
        )
        if isinstance(answer, Failure):  # file and record are unchanged: the next run retries
            run.end(replace(row, status="failed", stage=answer.stage, error=answer.reason), recorded=False)
        else:
            run.end(replace(row, **provenance_columns(marking, order.claim)))


def url_here(run: JobRun[Any, Result], row: Result) -> str:
    """URL of a finished file in this run's folder, which may have been moved since its record was written."""
    before = row.output or ""
    return run.url(storage.name_of(storage.parent(before)), storage.name_of(before))
