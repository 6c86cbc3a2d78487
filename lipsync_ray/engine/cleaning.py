"""Removes personal data and caches from a run's folder; a later run recreates what it needs."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from rich.console import Console

from lipsync_ray.engine import occupancy
from lipsync_ray.engine.occupancy import run_lock
from lipsync_ray.errors import SettingsError
from lipsync_ray.io import storage
from lipsync_ray.io.removal import remove_files
from lipsync_ray.io.run_contents import JOBS, Use, cache_folders, kind_of
from lipsync_ray.io.run_folder import REPORT, UNKNOWN, describe_owner, owner_of
from lipsync_ray.io.sizes import sizes_below


@dataclass(frozen=True)
class Kept:
    """Files of one kind in a run's folder.

    Attributes
    ----------
    what, use : see :class:`~lipsync_ray.io.run_contents.Kind`; use is None for files that no run of the job made
    files : their paths in the folder
    size : in bytes
    goes : whether they are removed
    """

    what: str
    use: Use | None
    files: tuple[str, ...]
    size: int
    goes: bool


def contents(out: str, previews: bool) -> list[Kept]:
    """List what a run's folder contains, files to remove first.

    Parameters
    ----------
    out : path or URL
    previews : whether previews are removed, too

    Raises
    ------
    SettingsError : not the folder of a run
    """
    out = storage.absolute(out)
    job = _job_of(out)
    groups: dict[tuple[str, Use | None], dict[str, int]] = defaultdict(dict)
    for path, size in sizes_below(out).items():
        if path == occupancy.FILE:
            continue
        kind = kind_of(job, path)
        groups[(kind.what, kind.use) if kind else ("files that this run did not make", None)][path] = size
    goes: dict[Use | None, bool] = {"cache": True, "preview": previews}
    kept = [
        Kept(what, use, tuple(sorted(files)), sum(files.values()), goes.get(use, False))
        for (what, use), files in groups.items()
    ]
    return sorted(kept, key=lambda one: (not one.goes, -one.size))


def _job_of(out: str) -> str:
    found = owner_of(out)
    if found is None:
        raise SettingsError(f"{out}: contains no run; expected the folder of a run")
    job = found.partition(" ")[0]
    if found in (UNKNOWN, REPORT) or job not in JOBS:
        raise SettingsError(f"{out}: {describe_owner(found)}; expected the folder of a run of {', '.join(JOBS)}")
    return job


def clean(out: str, previews: bool, console: Console) -> list[Kept]:
    """Remove the files; return what the folder contained before.

    Raises
    ------
    SettingsError : not the folder of a run, or a run is working there
    """
    out = storage.absolute(out)
    contents(out, previews)  # before anything is written there
    with run_lock(out, console):
        found = contents(out, previews)
        going = [path for one in found if one.goes for path in one.files]
        remove_files(storage.join(out, path) for path in going)
        if storage.is_local(out):
            for folder in storage.list_names(out) & cache_folders(_job_of(out)):
                for each in (*storage.local_path(storage.join(out, folder)).iterdir(), storage.join(out, folder)):
                    if storage.local_path(str(each)).is_dir() and not storage.list_tree(str(each)):
                        storage.remove(str(each))
    return found
