"""Owner of a folder: the command whose run is in it, such as "dub" or "train pose"."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from lipsync_ray.errors import LipsyncError, ManifestError, SettingsError
from lipsync_ray.io import outcomes, storage

RUN_FILE = "run.json"
REPORT_PAGE = "report/index.html"
REPORT = "report"  # the command; it writes a page and no run.json
UNKNOWN = ""  # owner of a run.json that no run wrote
# Identifies the job of older runs: the first of these keys in a run's settings, or in a row's record.
_MARKS = {
    "enhance": "enhance",
    "scorer": "evaluate",
    "whisper": "analyze",
    "held_out": "train",
    "pads": "dub",
    "face_table": "dub",
}


def owner(job: str, settings: Mapping[str, Any]) -> str:
    """The command of a run: its job, and for a training its kind."""
    kind = settings.get("kind")
    return f"{job} {kind}" if kind and isinstance(kind, str) else job


def read_record(folder: str) -> dict[str, Any] | None:
    """The run.json of a folder; None if missing, {} if not a JSON object.

    Raises
    ------
    OSError, StorageError : it cannot be read
    """
    try:
        return _json(storage.join(folder, RUN_FILE))
    except (FileNotFoundError, NotADirectoryError):
        return None


def owner_of(folder: str) -> str | None:
    """The command whose output is in a folder; :data:`UNKNOWN` for a run.json that no run wrote, None without output.

    Older folders, which do not always name it, are recognised by their content.
    """
    record = read_record(folder)
    if record is not None:
        return _named(record)
    row = outcomes.any_record(folder)  # of a run that was killed before it wrote run.json, or lost it
    if row is not None:
        return row["job"] if isinstance(row.get("job"), str) else _marked(row)
    return REPORT if storage.exists(storage.join(folder, REPORT_PAGE)) else None


def describe_owner(found: str) -> str:
    """Describe an owner's folder, as a predicate: "holds a run of …"."""
    if found == UNKNOWN:
        return f"holds a {RUN_FILE} that no run of lipsync-ray wrote"
    return f"holds {'the page' if found == REPORT else 'a run'} of `lipsync-ray {found}`"


def check_owner(out: str, expected: str) -> None:
    """Check that a folder is new or belongs to the same command, and is not inside another run's folder.

    Raises
    ------
    SettingsError : names the owner, and what was expected
    """
    found = owner_of(out)
    if found == expected:
        return
    if found is not None:
        raise SettingsError(
            f"-o {out}: {describe_owner(found)}; expected a new folder, or one of `lipsync-ray {expected}`"
        )
    for above in _above(out):
        if (around := _owner_around(above)) is not None:
            raise SettingsError(
                f"-o {out}: lies in {above}, which {describe_owner(around)}; expected a folder outside of it"
            )


def record_of(folder: str, *jobs: str) -> dict[str, Any]:
    """Read a folder's run.json.

    Parameters
    ----------
    jobs : allowed owners; none for any

    Raises
    ------
    ManifestError : it belongs to another job
    FileNotFoundError : there is no run.json
    """
    record = read_record(folder)
    found = REPORT if record is None and storage.exists(storage.join(folder, REPORT_PAGE)) else None
    if record is not None:
        found = _named(record)
    if found is None:
        raise FileNotFoundError(storage.join(folder, RUN_FILE))
    if record is None or (jobs and found not in jobs):
        wanted = " or ".join(f"`lipsync-ray {job}`" for job in jobs)
        expected = f"a finished run of {wanted}" if jobs else "a run"
        raise ManifestError(folder, [f"{describe_owner(found)}; expected the folder of {expected}"])
    return record


def _named(record: Mapping[str, Any]) -> str:
    settings = record.get("settings")
    settings = settings if isinstance(settings, dict) else {}
    job = record.get("job")
    return owner(job if isinstance(job, str) else _marked(settings), settings)


def _marked(values: Mapping[str, Any]) -> str:
    return next((job for mark, job in _MARKS.items() if mark in values), UNKNOWN)


def _json(url: str) -> dict[str, Any]:
    try:
        found = json.loads(storage.read_bytes(url))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _owner_around(folder: str) -> str | None:
    """The owner of a parent folder, if its run.json is certainly a run's; an unreadable one is ignored."""
    try:
        record = read_record(folder) or {}
    except (OSError, LipsyncError):
        return None
    return _named(record) if {"job", "run", "began"} <= record.keys() else None


def _above(folder: str) -> Iterator[str]:
    """Parents of a folder, nearest first; for a URL up to its bucket."""
    path = storage.absolute(folder).rstrip("/")
    root, sign, inside = path.rpartition("://")
    while "/" in inside.lstrip("/"):
        inside = inside.rpartition("/")[0]
        yield f"{root}{sign}{inside}"


def drawn_anew(settings: Mapping[str, Any]) -> bool:
    """Whether a dub run of these settings generated new videos, in which faces are not where they are in the sources."""
    return settings.get("head") is not None
