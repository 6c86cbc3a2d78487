"""Removes many files at once: a thousand a request where the store can."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from fsspec.core import has_magic

from lipsync_ray.io import local_files, storage, web
from lipsync_ray.io.protocols import S3
from lipsync_ray.io.retries import with_retries

_REMOVERS = 32


def remove_files(urls: Iterable[str]) -> None:
    """Remove files as far as they are there, and local folders that this leaves empty."""
    near, one_by_one = [], []
    bulks: dict[str, list[str]] = {}
    for url in dict.fromkeys(urls):
        if storage.is_local(url):
            near.append(url)
            continue
        fs, path = storage.file_system(url)
        in_bulk = bool(web.protocols(fs) & S3) and not has_magic(path)  # fsspec would treat it as a pattern
        if in_bulk:
            bulks.setdefault(path.partition("/")[0], []).append(url)
        else:
            one_by_one.append(url)
    for url in near:
        storage.remove(url)
    for folder in dict.fromkeys(storage.parent(storage.absolute(url)) for url in near):
        with contextlib.suppress(OSError):  # not empty, or gone
            local_files.remove_empty(folder)
    for bucket, members in bulks.items():
        fs, _ = storage.file_system(members[0])
        paths = [storage.file_system(url)[1] for url in members]
        with_retries(f"removing {len(paths)} objects of {bucket}", partial(fs.rm, paths))
    with ThreadPoolExecutor(_REMOVERS) as pool:
        list(pool.map(storage.remove, one_by_one))
