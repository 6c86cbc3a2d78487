"""Suggests replacements for Windows paths in tables."""

from __future__ import annotations

import re

from lipsync_ray.io import local_files

# Also matches at the end of a path that was made absolute here.
_DRIVE = re.compile(r"(?:^|/)([A-Za-z]):[\\/]+(.*)$")
_SHARE = re.compile(r"(?:^|/)\\\\(.+)$")


def hint(url: str) -> str:
    """Suggest a replacement for a Windows path, to follow "no such file"; empty for other paths."""
    if found := _DRIVE.search(url):
        there = f"/mnt/{found[1].lower()}/{_plain(found[2])}"
        return (
            f"; a Windows path: copy the file to this machine and use its path with forward slashes (in WSL: {there})"
        )
    if found := _SHARE.search(url):
        return f"; a Windows share: mount it and use its mount path, such as /mnt/{_plain(found[1])}"
    if "\\" not in url:
        return ""
    plain = _plain(url)
    there = ", which exists" if local_files.is_local(plain) and local_files.exists(plain) else ""
    return f"; use forward slashes: {plain}{there}"


def _plain(path: str) -> str:
    return path.replace("\\", "/")
