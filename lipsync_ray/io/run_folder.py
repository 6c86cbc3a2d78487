"""Whose a folder is: the job whose run lies in it, in the words of the command line, such as "dub" or "train pose"."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from lipsync_ray.errors import LipsyncError, ManifestError, SettingsError
from lipsync_ray.io import storage

RUN_FILE = "run.json"
OUTCOMES = "outcomes"  # the folder of the rows' records
REPORT_PAGE = "report/index.html"
REPORT = "report"  # the command, which leaves a page and no run.json
UNKNOWN = ""  # of a run.json that no run wrote
# What tells the job where nothing names it: a key of a run's settings, or of a row's record. The first one that is there.
_MARKS = {
    "enhance": "enhance",
    "scorer": "evaluate",
    "whisper": "analyze",
    "held_out": "train",
    "pads": "dub",
    "face_table": "dub",
}


def owner(job: str, settings: Mapping[str, Any]) -> str:
    """The command of a run: its job, and the kind of training where it is one."""
    kind = settings.get("kind")
    return f"{job} {kind}" if kind and isinstance(kind, str) else job


def read_record(folder: str) -> dict[str, Any] | None:
    """The run.json of a folder; None where there is none, {} where it is no JSON object.

    Raises
    ------
    OSError, StorageError : it is there, or may be, and cannot be read
    """
    try:
        return _json(storage.join(folder, RUN_FILE))
    except (FileNotFoundError, NotADirectoryError):
        return None


def owner_of(folder: str) -> str | None:
    """The command whose output a folder holds; :data:`UNKNOWN` of a run.json that no run wrote, None where there is none.

    Older folders, which do not name it everywhere, are known by what they hold.
    """
    record = read_record(folder)
    if record is not None:
        return _named(record)
    place = storage.join(folder, OUTCOMES)
    if names := storage.list_names(place):  # of a run that was killed before it wrote one, or lost it
        row = _json(storage.join(place, min(names)))
        return row["job"] if isinstance(row.get("job"), str) else _marked(row)
    return REPORT if storage.exists(storage.join(folder, REPORT_PAGE)) else None


def holds(found: str) -> str:
    """What an owner's folder is, as the beginning of a sentence."""
    if found == UNKNOWN:
        return f"holds a {RUN_FILE} that no run of lipsync-ray wrote"
    return f"holds {'the page' if found == REPORT else 'a run'} of `lipsync-ray {found}`"


def check_owner(out: str, asked: str) -> None:
    """Check that a folder is new, or of the same job and kind, and lies in no other run's.

    Raises
    ------
    SettingsError : what it is, and what was expected
    """
    found = owner_of(out)
    if found == asked:
        return
    if found is not None:
        raise SettingsError(f"-o {out}: {holds(found)}; expected a new folder, or one of `lipsync-ray {asked}`")
    for above in _above(out):
        if (around := _owner_around(above)) is not None:
            raise SettingsError(f"-o {out}: lies in {above}, which {holds(around)}; expected a folder outside of it")


def record_of(folder: str, *jobs: str) -> dict[str, Any]:
    """The run.json of a folder that is to be read.

    Parameters
    ----------
    jobs : whose it has to be; none for any

    Raises
    ------
    ManifestError : it is another job's: what the folder is, and what was expected
    FileNotFoundError : there is none
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
        raise ManifestError(folder, [f"{holds(found)}; expected the folder of {expected}"])
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
    """The owner of a folder above, by a run.json that is one beyond doubt; what cannot be read there concerns nobody."""
    try:
        record = read_record(folder) or {}
    except (OSError, LipsyncError):
        return None
    return _named(record) if {"job", "run", "began"} <= record.keys() else None


def _above(folder: str) -> Iterator[str]:
    """The folders that a folder lies in, the nearest one first; of a URL up to its bucket."""
    path = storage.absolute(folder).rstrip("/")
    root, sign, inside = path.rpartition("://")
    while "/" in inside.lstrip("/"):
        inside = inside.rpartition("/")[0]
        yield f"{root}{sign}{inside}"


def drawn_anew(settings: Mapping[str, Any]) -> bool:
    """Whether a dub run of these settings made videos of its own: their faces are not where their sources' are."""
    return settings.get("head") is not None
