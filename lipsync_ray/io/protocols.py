"""Restricts the protocols of input files.

A table may come from somebody else, but its files are read with this machine's rights, for example from a service
inside the local network. ``--allow-protocols``, or ``$LIPSYNC_ALLOW_PROTOCOLS``, sets the list for inputs named in
tables and arguments; outputs are not checked.
"""

from __future__ import annotations

import os

from lipsync_ray.errors import SettingsError

VARIABLE = "LIPSYNC_ALLOW_PROTOCOLS"
S3 = frozenset({"s3", "s3a"})
USUAL = (
    "file", "s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "http", "https", "hf", "hdfs", "sftp", "memory",
    "simplecache", "filecache", "blockcache",
)  # fmt: skip
_SAME = {"local": "file"}
_chosen: frozenset[str] | None = None


def allow(names: str | None) -> None:
    """Allow only these protocols from now on, in this process.

    Parameters
    ----------
    names : separated by commas, "file" for local files; None for the environment's list, or the default

    Raises
    ------
    SettingsError : not names of protocols
    """
    global _chosen
    _chosen = None if names is None else _parsed(names, "--allow-protocols")


def allowed() -> frozenset[str]:
    """The protocols allowed for input."""
    if _chosen is not None:
        return _chosen
    configured = os.environ.get(VARIABLE)
    return _parsed(configured, f"${VARIABLE}") if configured else frozenset(USUAL)


def why_refused(url: str) -> str | None:
    """Explain why a URL may not be read; None if it may. Checks every link of a chain such as simplecache::s3://…"""
    used = [part.partition("://")[0] for part in url.split("::")] if "://" in url else ["file"]
    for name in used:
        if _SAME.get(name, name) not in allowed():
            return (
                f"protocol {name} is not allowed; allowed: {', '.join(sorted(allowed()))} (change with "
                "--allow-protocols)"
            )
    return None


def _parsed(names: str, where: str) -> frozenset[str]:
    found = [name.strip().lower().removesuffix("://") for name in names.split(",") if name.strip()]
    if not found or any(not name.replace("+", "").replace("-", "").replace(".", "").isalnum() for name in found):
        raise SettingsError(f"{where} {names}: expected names of protocols, separated by commas, such as file,s3,https")
    return frozenset(_SAME.get(name, name) for name in found)
