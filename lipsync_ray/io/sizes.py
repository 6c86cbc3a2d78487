"""How large the files below a folder are."""

from __future__ import annotations

import os

from lipsync_ray.io import local_files, storage
from lipsync_ray.io.retries import with_retries


def sizes_below(url: str) -> dict[str, int]:
    """Path of every file below a folder, relative to it → its bytes; empty where there is no folder."""
    if storage.is_local(url):
        root = storage.absolute(url)
        found = {}
        for path in local_files.tree(root):
            try:
                found[path] = os.lstat(os.path.join(root, path)).st_size
            except FileNotFoundError:  # removed meanwhile
                continue
        return found
    fs, path = storage.file_system(url)
    fs.invalidate_cache(path)
    entries = with_retries(f"listing {url}", lambda: fs.find(path, detail=True))
    root = fs._strip_protocol(path).rstrip("/") + "/"
    return {fs._strip_protocol(name).removeprefix(root): int(entry["size"] or 0) for name, entry in entries.items()}
