"""Known causes why Ray does not start, for which a retry does not help."""

from __future__ import annotations

import re

_VERSIONS = re.compile(r"^\s*(Ray|Python): (\S+)", re.MULTILINE)
_TOO_LONG = re.compile(r"AF_UNIX path length cannot exceed (\d+) bytes: (\S+)")


def known_cause(error: Exception, address: str | None) -> str | None:
    """Explain the cause and what to do; None if a retry may help.

    Parameters
    ----------
    address : of the cluster; None for local Ray
    """
    text = str(error)
    if "version mismatch" in text.lower():
        return _of_versions(text, address)
    if found := _TOO_LONG.search(text):
        most, path = found.groups()
        return (
            f"Ray does not start on this machine: the path of its sockets is longer than {most} bytes ({path}). Set "
            "RAY_TMPDIR, or "
            "TMPDIR, to a folder with a short name, such as /tmp"
        )
    return None


def _of_versions(text: str, address: str | None) -> str:
    numbers = _VERSIONS.findall(text)
    theirs, ours = dict(numbers[:2]), dict(numbers[2:4])
    if not {"Ray", "Python"} <= theirs.keys() & ours.keys():  # an unknown message
        return (
            f"the cluster at {address} has another version of Ray or Python: {' '.join(text.split())}. Both must match"
        )
    patch = theirs["Ray"] == ours["Ray"] and _minor(theirs["Python"]) == _minor(ours["Python"])
    return (
        f"the cluster at {address} runs Ray {theirs['Ray']} and Python {theirs['Python']}, this process Ray "
        f"{ours['Ray']} and "
        f"Python {ours['Python']}: they must match. Run the command in the cluster's own environment (`ray job "
        "submit`, or its image), or install the cluster's versions here"
        + ("; set RAY_DEFAULT_PYTHON_VERSION_MATCH_LEVEL=minor to ignore the patch version" if patch else "")
    )


def _minor(version: str) -> list[str]:
    return version.split(".")[:2]
