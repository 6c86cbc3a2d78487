"""Sizes of the files below a folder."""

from __future__ import annotations

import os

from lipsync_ray.io import local_files, storage


def sizes_below(url: str) -> dict[str, int]:
    """Path of every file below a folder, relative to it → bytes; empty if there is no folder."""
    if storage.is_local(url):
        root = storage.absolute(url)
        found = {}
        for path in local_files.tree(root):
            try:
                found[path] = os.lstat(os.path.join(root, path)).st_size
            except FileNotFoundError:  # removed meanwhile
                continue
        return found
    return {path: int(entry["size"] or 0) for path, entry in storage.remote_tree(url).items()}
