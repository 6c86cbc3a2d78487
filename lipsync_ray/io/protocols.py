"""Which kinds of store the files of a table may lie in.

A table can come from somebody else, and what it names is read with this machine's rights: an address of a service inside
one's own network is no video. ``--allow-protocols``, or ``$LIPSYNC_ALLOW_PROTOCOLS``, narrows or widens the list for what
tables and arguments name as input; where results go is not asked for.
"""

from __future__ import annotations

import os

from lipsync_ray.errors import SettingsError

VARIABLE = "LIPSYNC_ALLOW_PROTOCOLS"
USUAL = (
    "file", "s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "http", "https", "hf", "hdfs", "sftp", "memory",
    "simplecache", "filecache", "blockcache",
)  # fmt: skip
_SAME = {"local": "file"}
_chosen: frozenset[str] | None = None


def allow(names: str | None) -> None:
    """Allow these protocols alone, from now on, in this process.

    Parameters
    ----------
    names : separated by commas, "file" for this machine's own files; None for the environment's, or the usual ones

    Raises
    ------
    SettingsError : not names of protocols
    """
    global _chosen
    _chosen = None if names is None else _parsed(names, "--allow-protocols")


def allowed() -> frozenset[str]:
    """The protocols that input may come by."""
    if _chosen is not None:
        return _chosen
    said = os.environ.get(VARIABLE)
    return _parsed(said, f"${VARIABLE}") if said else frozenset(USUAL)


def why_refused(url: str) -> str | None:
    """Why a file may not be read where it lies; None where it may. A chain such as simplecache::s3://… is asked for each link."""
    used = [part.partition("://")[0] for part in url.split("::")] if "://" in url else ["file"]
    for name in used:
        if _SAME.get(name, name) not in allowed():
            return f"files are not read by {name}; allowed: {', '.join(sorted(allowed()))} (--allow-protocols changes that)"
    return None


def _parsed(names: str, where: str) -> frozenset[str]:
    found = [name.strip().lower().removesuffix("://") for name in names.split(",") if name.strip()]
    if not found or any(not name.replace("+", "").replace("-", "").replace(".", "").isalnum() for name in found):
        raise SettingsError(f"{where} {names}: expected names of protocols, separated by commas, such as file,s3,https")
    return frozenset(_SAME.get(name, name) for name in found)
