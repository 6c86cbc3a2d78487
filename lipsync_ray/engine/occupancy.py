"""One run at a time in a folder: the one that works there says so, and a second one is refused.

The note lies in storage, so that it holds between machines. A run whose process has ended on this machine is known to be
over at once; one on another machine is watched for a while, without comparing clocks: its note changes as long as it lives.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from lipsync_ray.errors import LipsyncError, SettingsError
from lipsync_ray.io import storage

FILE = "running.json"
BEAT_S = 10.0  # between two signs of life
STALE_S = 45.0  # without one, a run elsewhere is taken for dead
_LOOK_S = 1.0


@contextlib.contextmanager
def held(out: str, console: Console) -> Iterator[None]:
    """Hold a run's folder while the block runs.

    Parameters
    ----------
    out : the folder
    console : for a line where there is something to wait for

    Raises
    ------
    SettingsError : another run works there
    """
    url = storage.join(out, FILE)
    other = _read(url)
    if other is not None:
        _wait_for_its_end(url, other, partial(console.print, highlight=False, markup=False))
    own = {"id": uuid.uuid4().hex, "place": _place(), "host": platform.node(), "process": _process(os.getpid())}
    _write(url, own, 0)
    seen = _read(url)  # of two that begin at the same moment, the later one's note stays
    if seen is None or seen["id"] != own["id"]:
        raise _in_use(out, seen or own)
    over = threading.Event()
    beating = threading.Thread(target=_beat, args=(url, own, over), name="occupancy", daemon=True)
    beating.start()
    try:
        yield
    finally:
        over.set()
        beating.join()
        found = _read(url)
        if found is not None and found["id"] == own["id"]:
            storage.remove(url)


def _wait_for_its_end(url: str, other: dict[str, Any], say: Callable[[str], None]) -> None:
    """Until it is sure that the other run is over; refused where it lives."""
    out = storage.parent(url)
    if other["place"] == _place():
        if other["process"] == _process(int(other["process"].split("-")[0])):
            raise _in_use(out, other)
        return
    say(
        f"{out}: a run on {other['host']} has not ended there; waiting for up to {STALE_S:.0f} s for a sign of its life"
    )
    until = time.monotonic() + STALE_S
    while time.monotonic() < until:
        time.sleep(_LOOK_S)
        seen = _read(url)
        if seen is None:
            return
        if (seen["id"], seen["beat"]) != (other["id"], other["beat"]):
            raise _in_use(out, seen)
    say(f"{out}: none; that run is over, this one goes on with what it has left")


def _in_use(out: str, other: dict[str, Any]) -> SettingsError:
    return SettingsError(
        f"-o {out}: another run works there (process {other['process'].split('-')[0]} on {other['host']}). Wait for its end, "
        "stop it, or choose another folder"
    )


def _beat(url: str, own: dict[str, Any], over: threading.Event) -> None:
    beat = 0
    while not over.wait(BEAT_S):
        beat += 1
        try:
            _write(url, own, beat)
        except (OSError, LipsyncError):
            continue  # the store is busy: the next one may do


def _write(url: str, own: dict[str, Any], beat: int) -> None:
    storage.commit_bytes(url, json.dumps(own | {"beat": beat}).encode())


def _read(url: str) -> dict[str, Any] | None:
    try:
        note: dict[str, Any] = json.loads(storage.read_bytes(url))
    except (FileNotFoundError, ValueError):
        return None
    return note if {"id", "place", "host", "process", "beat"} <= note.keys() else None


def _place() -> str:
    """Where process numbers mean the same: this boot of this machine, and its container."""
    parts = [platform.node()]
    with contextlib.suppress(OSError):
        parts += [Path("/proc/sys/kernel/random/boot_id").read_text().strip(), os.readlink("/proc/self/ns/pid")]
    return " ".join(parts)


def _process(number: int) -> str:
    """``number-begin`` of a process that lives, so that a later one of the same number is another; else ``number-``."""
    try:
        # The command's name, in brackets, may hold anything: what follows it is state, …, and in ticks when it began.
        state, *rest = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
        return f"{number}-" if state == "Z" else f"{number}-{rest[18]}"
    except OSError:
        return f"{number}-"
