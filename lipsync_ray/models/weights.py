"""Finds, downloads and verifies checkpoints on this machine.

A file is used only after its size and sha256 are verified. It is downloaded once per node, under a lock, to a temporary
name, and then renamed into the cache. The cache is ``$LIPSYNC_RAY_WEIGHTS``, or ``~/.cache/lipsync_ray``.
"""

from __future__ import annotations

import hashlib
import os
import socket
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path

from lipsync_ray.errors import WeightsError
from lipsync_ray.home import home
from lipsync_ray.models.download import Progress, download, locked
from lipsync_ray.models.registry import REGISTRY, Kind, Weights, find

__all__ = [
    "REGISTRY",
    "Checkpoint",
    "Progress",
    "Weights",
    "by_hand",
    "by_name",
    "cache_folder",
    "check",
    "ensure",
    "fetch",
    "find",
    "location",
    "named_or_path",
    "refuse_html",
    "sources",
]

CACHE_VARIABLE = "LIPSYNC_RAY_WEIGHTS"
MIRROR_VARIABLE = "LIPSYNC_WEIGHTS_URL"


def cache_folder() -> Path:
    """Folder of downloaded checkpoints."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen).expanduser() if chosen else home() / ".cache" / "lipsync_ray"


def location(weights: Weights) -> Path:
    """Path of the file, whether it exists or not."""
    if weights.bundled:
        return Path(str(resources.files("lipsync_ray.models") / "data" / weights.file))
    return cache_folder() / weights.file


def ensure(weights: Weights, progress: Progress | None = None) -> Path:
    """Path of a verified checkpoint; it is downloaded if missing.

    Raises
    ------
    WeightsError : it is neither here nor downloadable (the message says what to do), or it is another file
    """
    path = location(weights)
    if path.is_file():
        check(weights, path)
        return path
    try:
        return fetch(weights, progress)
    except WeightsError as error:
        raise WeightsError(
            f"the weights of {weights.name!r} are not on this machine and cannot be downloaded.\n"
            f"  {error}\n"
            "One of:\n"
            f"  lipsync-ray weights fetch {weights.name}     on a machine with network access\n"
            f"{by_hand(weights)}\n"
            f"  {weights.fallback_hint}\n"
            f"Licence of {weights.name}: {weights.licence}."
        ) from error


def by_hand(weights: Weights) -> str:
    """Instructions to install a checkpoint by hand: path, address, size and sha256."""
    size = f"{weights.size:,} bytes, " if weights.size else ""
    known = f"sha256 {weights.sha256}" if weights.sha256 else "whose sha256 is nowhere published"
    return (
        f"  put the file at {location(weights)} yourself\n"
        f"    (from {weights.url}, {size}{known})\n"
        f"  set {MIRROR_VARIABLE} to a folder or an address that has {weights.file}"
    )


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint as sent to stages. It contains no path of the driver's cache: every node has its own cache.

    Attributes
    ----------
    name : name in results
    given : a registered name, or a path on a file system shared by all nodes
    sha256 : of the driver's file; empty if it was not downloaded and the registry does not know it
    parts : (role, checkpoint) of companion networks
    """

    name: str
    given: str
    sha256: str
    parts: tuple[tuple[str, Checkpoint], ...] = ()

    @classmethod
    def of(cls, path: Path) -> Checkpoint:
        """Create from an unregistered file."""
        return cls(path.stem, str(path.absolute()), digest(path))

    def part(self, role: str) -> Checkpoint:
        """The companion of that role."""
        return dict(self.parts)[role]

    @property
    def identity(self) -> str | list[str]:
        """Sha256 of its file and of its parts, for fingerprints."""
        return [self.sha256, *(f"{role} {part.sha256}" for role, part in self.parts)] if self.parts else self.sha256

    @property
    def registered(self) -> Weights | None:
        """Its registry entry, if given by name."""
        return find(self.given)

    @property
    def licence(self) -> str:
        """Licence of the weights, if known."""
        return self.registered.licence if self.registered is not None else "not known: given as a file"

    def here(self) -> Path:
        """Path on this machine, downloaded if missing; checked against the driver's file.

        Raises
        ------
        WeightsError : not available here, or another file than the driver's
        """
        registered = self.registered
        path = ensure(registered) if registered is not None else Path(self.given)
        if registered is not None and (registered.sha256 is not None or not self.sha256):
            return path
        if not path.is_file():
            raise WeightsError(
                f"{path}: not on {socket.gethostname()}. A checkpoint given by its path must be on a file system that all nodes "
                "share"
            )
        if (found := digest(path)) != self.sha256:
            raise WeightsError(
                f"{path} on {socket.gethostname()}: sha256 {found}; the driver's file of that path has {self.sha256}"
            )
        return path

    def record(self) -> dict[str, object]:
        """Record for run.json: name, content, and whether it is the published file of that name."""
        registered = find(self.name)
        published = registered is not None and registered.sha256 == self.sha256 != ""
        return {"name": self.name, "sha256": self.sha256, "published": published}


def named_or_path(
    option: str, given: str, kind: Kind, progress: Progress | None = None, fetch: bool = True
) -> Checkpoint:
    """Resolve an option's value: a registered name (downloaded if missing and `fetch`), or a path.

    Raises
    ------
    WeightsError : not available, a web page, or neither a name nor a file
    """
    registered = find(given)
    if registered is not None and registered.kind == kind:
        return by_name(registered.name, progress, fetch)
    path = Path(given).expanduser().absolute()
    if not path.is_file():
        names = ", ".join(w.name for w in REGISTRY if w.kind == kind)
        raise WeightsError(f"{option} {given}: neither a registered name ({names}) nor a file")
    refuse_html(path)
    return Checkpoint.of(path)


def by_name(name: str, progress: Progress | None = None, fetch: bool = True) -> Checkpoint:
    """A registered checkpoint, downloaded if missing and `fetch`.

    Raises
    ------
    WeightsError : not here and not to be had
    """
    registered = find(name)
    assert registered is not None
    if fetch:
        ensure(registered, progress)
    found = registered.sha256 or (digest(path) if (path := location(registered)).is_file() else "")
    return Checkpoint(registered.name, registered.name, found)


def check(weights: Weights, path: Path) -> None:
    """Verify a file against the registry.

    Raises
    ------
    WeightsError : it is a web page, truncated, or another file
    """
    stat = path.stat()
    refuse_html(path)
    if weights.size is not None and stat.st_size != weights.size:
        raise WeightsError(
            f"{path}: {stat.st_size:,} bytes; {weights.name} has {weights.size:,}. Remove it and fetch it again."
        )
    found = digest(path)
    if weights.sha256 is not None and found != weights.sha256:
        raise WeightsError(
            f"{path}: sha256 {found} is not that of {weights.name} ({weights.sha256}). Remove it and fetch it again, "
            f"or, if you mean to use this file, give its path as the option's value."
        )


def refuse_html(path: Path) -> None:
    """Reject a web page that was saved as a checkpoint.

    Raises
    ------
    WeightsError
    """
    with path.open("rb") as file:
        head = file.read(512).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith((b"<!doctype", b"<html", b"<head", b"<?xml", b"<script")):
        raise WeightsError(
            f"{path}: this is a web page, not a checkpoint: the download was answered with a page (a Hugging Face "
            "'blob' address, or Google Drive's warning). Remove it and fetch the file itself (on Hugging Face, the "
            "address with /resolve/)."
        )


def digest(path: Path) -> str:
    """Hexadecimal sha256 of a file."""
    stat = path.stat()
    return _sha256(str(path), stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=32)
def _sha256(path: str, size: int, modified_ns: int) -> str:
    """Hash once per process, keyed by size and modification time: 436 MB take a second or two."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch(weights: Weights, progress: Progress | None = None) -> Path:
    """Download a checkpoint into the cache if missing.

    Raises
    ------
    WeightsError : it cannot be downloaded or stored, or the downloaded file is wrong
    """
    path = location(weights)
    if weights.url is None:
        check(weights, path)
        return path
    with locked(path, CACHE_VARIABLE):
        if path.is_file():
            check(weights, path)
            return path
        reasons = []
        for url in sources(weights):
            temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
            try:
                download(url, temporary, progress)
                check(weights, temporary)
                temporary.replace(path)
                return path
            except WeightsError as error:
                reasons.append(str(error).replace(str(temporary), url))
            finally:
                temporary.unlink(missing_ok=True)
        raise WeightsError("\n  ".join(reasons))


def sources(weights: Weights) -> list[str]:
    """Download addresses of a checkpoint: the mirror ``$LIPSYNC_WEIGHTS_URL`` (a folder of such files) first, then its
    own.
    """
    mirror = os.environ.get(MIRROR_VARIABLE)
    own = [weights.url] if weights.url else []
    return [f"{mirror.rstrip('/')}/{weights.file}", *own] if mirror else own
