"""Named checkpoints: where each comes from, how large it is, its sha256 and its licence.

A file is used only after its size and sha256 have been compared. It is fetched once per node, under a lock, to a
temporary name, and appears in the cache whole. The cache is ``$LIPSYNC_RAY_WEIGHTS``, or ``~/.cache/lipsync_ray``.
"""

from __future__ import annotations

import hashlib
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Literal

from filelock import FileLock

from lipsync_ray.errors import WeightsError

Progress = Callable[[int, int | None], None]
"""Called with (bytes so far, bytes in all or None)."""

CACHE_VARIABLE = "LIPSYNC_RAY_WEIGHTS"
_CHUNK = 1 << 20
_TIMEOUT_S = 60

Kind = Literal["lips", "scorer", "fid"]
WAV2LIP_LICENCE = "research and other non-commercial use only (trained on LRS2)"
_MINI_INSTEAD = "--model mini                       bundled, needs no download; lower quality"


@dataclass(frozen=True)
class Weights:
    """A named checkpoint.

    Attributes
    ----------
    name : what `--model` and `weights fetch` call it
    file : its file name in the cache, or in the package where it is bundled
    url : where it is fetched from; None for a bundled one
    size : bytes; None where it has not been confirmed (the sha256 then decides alone)
    sha256 : of the file
    licence : one line
    instead : what to do without it
    kind : what it is used for: "lips", "scorer", "fid"
    aliases : other names for it
    """

    name: str
    file: str
    url: str | None
    size: int | None
    sha256: str
    licence: str
    instead: str = ""
    kind: Kind = "lips"
    aliases: tuple[str, ...] = ()

    @property
    def bundled(self) -> bool:
        return self.url is None


REGISTRY = (
    Weights(
        name="mini",
        file="mini.safetensors",
        url=None,
        size=4_609_444,
        sha256="222cd9a2b089a6136847f5b829820f417ac05d8a5273867b2c0542ac89150de2",
        licence="Apache-2.0, made for this project (see models/data/MODEL_CARD.md)",
    ),
    Weights(
        name="wav2lip",
        file="wav2lip.pth",
        url="https://huggingface.co/camenduru/Wav2Lip/resolve/main/checkpoints/wav2lip.pth",
        size=435_807_851,
        sha256="b78b681b68ad9fe6c6fb1debc6ff43ad05834a8af8a62ffc4167b7b34ef63c37",
        licence=WAV2LIP_LICENCE,
        instead=_MINI_INSTEAD,
    ),
    Weights(
        name="wav2lip_gan",
        file="wav2lip_gan.pth",
        url="https://huggingface.co/camenduru/Wav2Lip/resolve/main/checkpoints/wav2lip_gan.pth",
        size=None,
        sha256="ca9ab7b7b812c0e80a6e70a5977c545a1e8a365a6c49d5e533023c034d7ac3d8",
        licence=WAV2LIP_LICENCE,
        instead=_MINI_INSTEAD,
        aliases=("wav2lip_gen",),
    ),
    Weights(
        name="mini-sync",
        file="mini_sync.safetensors",
        url=None,
        size=5_809_564,
        sha256="b61ebd23bc9552c7da6e76f3fe49c0cb497e851d94d0f05f1e306c3ae88a3dd8",
        licence="Apache-2.0, made for this project (see models/data/MODEL_CARD.md)",
        kind="scorer",
    ),
    Weights(
        name="syncnet",
        file="syncnet_v2.model",
        url="https://huggingface.co/ByteDance/LatentSync-1.6/resolve/main/auxiliary/syncnet_v2.model",
        size=54_573_114,
        sha256="961e8696f888fce4f3f3a6c3d5b3267cf5b343100b238e79b2659bff2c605442",
        licence="not stated with the file; the code of syncnet_python is MIT. Ask before commercial use",
        instead="--scorer mini-sync                 bundled, needs no download; its numbers are not LSE",
        kind="scorer",
    ),
    Weights(
        name="inception",
        file="pt_inception-2015-12-05-6726825d.pth",
        url="https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
        size=95_628_359,
        sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
        licence="Apache-2.0, of TensorFlow's models, ported by pytorch-fid",
        instead="--fid none                         leave FID out",
        kind="fid",
    ),
)


def cache_folder() -> Path:
    """Where fetched checkpoints are kept."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen).expanduser() if chosen else Path.home() / ".cache" / "lipsync_ray"


def find(name: str) -> Weights | None:
    """The checkpoint of that name or alias."""
    return next((w for w in REGISTRY if name == w.name or name in w.aliases), None)


def location(weights: Weights) -> Path:
    """Where the file is, or would be."""
    if weights.bundled:
        return Path(str(resources.files("lipsync_ray.models") / "data" / weights.file))
    return cache_folder() / weights.file


def ready(weights: Weights, progress: Progress | None = None) -> Path:
    """The path of a checkpoint that is on this machine and is the right file; it is fetched first where it must be.

    Raises
    ------
    WeightsError : it can neither be found nor fetched (says what to do), or it is another file
    """
    path = location(weights)
    if path.is_file():
        check(weights, path)
        return path
    try:
        return fetch(weights, progress)
    except WeightsError as error:
        raise WeightsError(
            f"the weights of {weights.name!r} are not on this machine and cannot be fetched.\n"
            f"  {error}\n"
            "One of:\n"
            f"  lipsync-ray weights fetch {weights.name}     where there is a network\n"
            f"  put the file at {path} yourself\n"
            f"    (from {weights.url}, sha256 {weights.sha256})\n"
            f"  {weights.instead}\n"
            f"Licence of {weights.name}: {weights.licence}."
        ) from error


def check(weights: Weights, path: Path) -> None:
    """Compare a file with the registry.

    Raises
    ------
    WeightsError : it is a web page, cut off, or another file
    """
    stat = path.stat()
    refuse_html(path)
    if weights.size is not None and stat.st_size != weights.size:
        raise WeightsError(
            f"{path}: {stat.st_size:,} bytes; {weights.name} has {weights.size:,}. Remove it and fetch it again."
        )
    found = _sha256(str(path), stat.st_size, stat.st_mtime_ns)
    if found != weights.sha256:
        raise WeightsError(
            f"{path}: sha256 {found} is not that of {weights.name} ({weights.sha256}). Remove it and fetch it again, "
            f"or, if you mean to use this file, give its path as the option's value."
        )


def refuse_html(path: Path) -> None:
    """Refuse a web page that was saved in place of a checkpoint.

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


@lru_cache(maxsize=32)
def _sha256(path: str, size: int, modified_ns: int) -> str:
    """Of the file as it was at that size and time; hashing 436 MB takes a second or two, so once a process."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch(weights: Weights, progress: Progress | None = None) -> Path:
    """Bring a checkpoint into the cache, unless it is there.

    Raises
    ------
    WeightsError : it cannot be downloaded, or what came is not it
    """
    path = location(weights)
    if weights.url is None:
        check(weights, path)
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        if path.is_file():
            check(weights, path)
            return path
        temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            _download(weights.url, temporary, progress)
            check(weights, temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    return path


def _download(url: str, target: Path, progress: Progress | None) -> None:
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer, target.open("wb") as file:
            total = int(answer.headers.get("Content-Length") or 0) or None
            done = 0
            while chunk := answer.read(_CHUNK):
                file.write(chunk)
                done += len(chunk)
                if progress:
                    progress(done, total)
    except (urllib.error.URLError, OSError) as error:
        reason = error if isinstance(error, urllib.error.HTTPError) else getattr(error, "reason", error)
        raise WeightsError(f"{url}: cannot be downloaded: {reason}") from error
