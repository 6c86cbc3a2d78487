"""Paths of Windows, in tables that were written there: what they would be here."""

from __future__ import annotations

import re

from lipsync_ray.io import local_files

# At the end of a path that was made absolute here, too.
_DRIVE = re.compile(r"(?:^|/)([A-Za-z]):[\\/]+(.*)$")
_SHARE = re.compile(r"(?:^|/)\\\\(.+)$")


def hint(url: str) -> str:
    """What to write in place of a path of Windows that is not there, to follow "no such file"; empty of any other."""
    if found := _DRIVE.search(url):
        there = f"/mnt/{found[1].lower()}/{_plain(found[2])}"
        return f"; a path of Windows: copy the file here and write its path with forward slashes (in WSL: {there})"
    if found := _SHARE.search(url):
        return f"; a share of Windows: mount it and write its path here, such as /mnt/{_plain(found[1])}"
    if "\\" not in url:
        return ""
    plain = _plain(url)
    there = ", which is there" if local_files.is_local(plain) and local_files.exists(plain) else ""
    return f"; with forward slashes, as folders are written here: {plain}{there}"


def _plain(path: str) -> str:
    return path.replace("\\", "/")
