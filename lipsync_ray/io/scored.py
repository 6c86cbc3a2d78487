"""What an evaluation says of a run's dubs: which are to be made anew, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from lipsync_ray.errors import ManifestError
from lipsync_ray.io import storage
from lipsync_ray.io.identity import identities
from lipsync_ray.io.records import read_table
from lipsync_ray.io.run_folder import record_of

TABLE = "metrics/videos.parquet"
_NEEDED = ("id", "video", "status", "stage", "error", "content", "faults")


@dataclass(frozen=True)
class ScoredDub:
    """A dub in an evaluation's table.

    Attributes
    ----------
    id : of the dub
    video : URL of what was scored
    content : identity of that; "" where it could not be read
    faults : what is wrong with it, a sentence each; empty where nothing was found
    """

    id: str
    video: str
    content: str
    faults: tuple[str, ...]


@dataclass(frozen=True)
class Scored:
    """A finished evaluation: its folder, when it ended (ISO 8601 in UTC), and its dubs."""

    folder: str
    time: str
    dubs: tuple[ScoredDub, ...]


def read_scored(folder: str) -> Scored:
    """Read the folder of a finished evaluation.

    Raises
    ------
    ManifestError : it is not the folder of a finished evaluation, or it is one of an older version
    """
    folder = folder.rstrip("/")
    try:
        record = record_of(folder, "evaluate")
        table = read_table(storage.join(folder, TABLE))
    except (FileNotFoundError, NotADirectoryError):
        raise ManifestError(
            folder,
            ["neither a review (.csv, .jsonl, .parquet) nor the folder of a finished `lipsync-ray evaluate` (no run.json and "
            f"{TABLE} in it)"],
        ) from None  # fmt: skip
    if record.get("ended") is None:
        raise ManifestError(folder, ["its evaluation has not ended; run the same `lipsync-ray evaluate` again"])
    if missing := [name for name in _NEEDED if name not in table.column_names]:
        raise ManifestError(
            folder, [f"scores of an older version, without {', '.join(missing)}; run `lipsync-ray evaluate` again"]
        )
    ended = datetime.fromtimestamp(record["ended"], UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    rows = table.select(list(_NEEDED)).to_pylist()
    return Scored(folder, ended, tuple(map(_dub, rows)))


def _dub(row: Mapping[str, object]) -> ScoredDub:
    faults = [str(fault) for fault in row["faults"] or ()]  # type: ignore[attr-defined]
    if row["status"] == "failed" and row["stage"] != "dub":  # a dub that failed itself has no video to judge
        faults.append(f"could not be scored: {row['error']}")
    return ScoredDub(str(row["id"]), str(row["video"] or ""), str(row["content"] or ""), tuple(faults))


def flagged(scored: Scored, outputs: Mapping[str, str], ids: Iterable[str]) -> dict[str, ScoredDub]:
    """The table's dubs with faults, by id. Others stay in an evaluation that was continued with a shorter table.

    Parameters
    ----------
    outputs : id → URL of the finished video, in the run's folder, of dubs that have one
    ids : of the table's dubs

    Raises
    ------
    ManifestError : none of the scored dubs is one of the table, or one with faults is another file than the run's
    """
    known = set(ids)
    found = {dub.id: dub for dub in scored.dubs if dub.faults and dub.id in known}
    problems = []
    if scored.dubs and not any(dub.id in known for dub in scored.dubs):
        some = ", ".join(sorted(known)[:5]) + (", …" if len(known) > 5 else "")
        problems.append(
            f"none of its dubs is one of the table's ({some}); expected an evaluation of this run's own dubs"
        )
    for name, url in outputs.items():
        if name in found and storage.absolute(found[name].video) != storage.absolute(url):
            problems.append(
                f"{name}: the scores are of {found[name].video}, not of {url}; expected an evaluation of this run's own dubs"
            )
    if problems:
        raise ManifestError(scored.folder, problems)
    return found


def changed_since(dubs: Iterable[ScoredDub]) -> set[str]:
    """The ids of dubs whose file is another one than was scored; one that is gone is not.

    Raises
    ------
    OSError, StorageError : a file cannot be looked at
    """
    scored = [dub for dub in dubs if dub.content]
    now = identities(dub.video for dub in scored)
    for found in now.values():
        if isinstance(found, Exception) and not isinstance(found, FileNotFoundError):
            raise found
    return {dub.id for dub in scored if isinstance(found := now[dub.video], str) and found != dub.content}
