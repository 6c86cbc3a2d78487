"""Why Ray does not start, where that is known: no second try mends it, and a busy machine is not to blame."""

from __future__ import annotations

import re

_VERSIONS = re.compile(r"^\s*(Ray|Python): (\S+)", re.MULTILINE)
_TOO_LONG = re.compile(r"AF_UNIX path length cannot exceed (\d+) bytes: (\S+)")


def known_cause(error: Exception, address: str | None) -> str | None:
    """One sentence, with what to do; None where another try may help.

    Parameters
    ----------
    address : of the cluster that was asked; None for Ray on this machine
    """
    said = str(error)
    if "version mismatch" in said.lower():
        return _of_versions(said, address)
    if found := _TOO_LONG.search(said):
        most, path = found.groups()
        return (
            f"Ray does not start on this machine: the path of its sockets is longer than {most} bytes ({path}). Set RAY_TMPDIR, or "
            "TMPDIR, to a folder with a short name, such as /tmp"
        )
    return None


def _of_versions(said: str, address: str | None) -> str:
    numbers = _VERSIONS.findall(said)
    theirs, ours = dict(numbers[:2]), dict(numbers[2:4])
    if not {"Ray", "Python"} <= theirs.keys() & ours.keys():  # another wording
        return f"the cluster at {address} has another version of Ray or Python: {' '.join(said.split())}. Both have to be the same"
    patch = theirs["Ray"] == ours["Ray"] and _minor(theirs["Python"]) == _minor(ours["Python"])
    return (
        f"the cluster at {address} runs Ray {theirs['Ray']} and Python {theirs['Python']}, this process Ray {ours['Ray']} and "
        f"Python {ours['Python']}: they have to be the same. Run the command in the cluster's own environment (`ray job submit`, or its "
        "image), or make this one with the cluster's versions"
        + ("; set RAY_DEFAULT_PYTHON_VERSION_MATCH_LEVEL=minor where you trust the last number" if patch else "")
    )


def _minor(version: str) -> list[str]:
    return version.split(".")[:2]
