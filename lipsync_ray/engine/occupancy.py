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
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from rich.console import Console

from lipsync_ray.engine import ray_sight
from lipsync_ray.engine.progress import passes_of
from lipsync_ray.engine.waiting import Waiting
from lipsync_ray.errors import LipsyncError, SettingsError
from lipsync_ray.io import storage

FILE = "running.json"
BEAT_S = 10.0  # between two signs of life
FIRST_BEAT_S = 2.0  # until the first one, which tells who looks what the passes are
STALE_S = 45.0  # without one, a run elsewhere is taken for dead
_LOOK_S = 1.0
_HELD: set[str] = set()  # ids of this process' own runs: a note that its run could not take back is no sign of life


@contextlib.contextmanager
def run_lock(out: str, console: Console) -> Iterator[None]:
    """Hold a run's folder while the block runs, and tell there and on the console what the run waits for.

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
        _refuse_while_it_lives(out, other, console)
    own = {"id": uuid.uuid4().hex, "place": _place(), "host": platform.node(), "process": _process(os.getpid())}
    waiting = Waiting(console, ray_sight.look)
    _write(url, own, 0, console, waiting)
    seen = _read(url)  # of two that begin at the same moment, the later one's note stays
    if seen is None or seen["id"] != own["id"]:
        raise _in_use(out, seen or own)
    _HELD.add(own["id"])
    over = threading.Event()
    # Two: a cluster that does not answer must not keep the sign of life back.
    beating = threading.Thread(target=_beat, args=(url, own, over, console, waiting), name="occupancy", daemon=True)
    watching = threading.Thread(target=waiting.watch, args=(over,), name="waiting", daemon=True)
    beating.start()
    watching.start()
    try:
        yield
    finally:
        _HELD.discard(own["id"])
        over.set()
        beating.join()
        found = _read(url)
        if found is not None and found["id"] == own["id"]:
            storage.remove(url)


def _refuse_while_it_lives(out: str, other: dict[str, Any], console: Console) -> None:
    if other["place"] != _place():
        console.print(
            f"{out}: a run on {other['host']} has not ended there; waiting for up to {STALE_S:.0f} s for a sign of its life",
            highlight=False, markup=False,
        )  # fmt: skip
    state, seen = life_of(out)
    if state == "lives":
        raise _in_use(out, seen)
    if other["place"] != _place():
        line = f"{out}: none; that run is over, this one goes on with what it has left"
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def life_of(out: str) -> tuple[Literal["lives", "killed", "over"], dict[str, Any]]:
    """Whether a run lives in a folder, was ended from outside, or is over; and its note. Waits for a sign where it must.

    Returns
    -------
    ("over", {}) where there is no note
    """
    url = storage.join(out, FILE)
    note = _read(url)
    if note is None:
        return "over", {}
    if note["place"] == _place():
        number = int(note["process"].split("-")[0])
        lives = note["process"] == _process(number) and (number != os.getpid() or note["id"] in _HELD)
        return ("lives" if lives else "killed"), note
    until = time.monotonic() + STALE_S
    while time.monotonic() < until:
        time.sleep(_LOOK_S)
        seen = _read(url)
        if seen is None:
            return "over", {}
        if (seen["id"], seen["beat"]) != (note["id"], note["beat"]):
            return "lives", seen
    return "killed", note


def _in_use(out: str, other: dict[str, Any]) -> SettingsError:
    return SettingsError(
        f"-o {out}: another run works there (process {other['process'].split('-')[0]} on {other['host']}). Wait for its end, "
        "stop it, or choose another folder"
    )


def _beat(url: str, own: dict[str, Any], over: threading.Event, console: Console, waiting: Waiting) -> None:
    beat = 0
    while not over.wait(BEAT_S if beat else min(BEAT_S, FIRST_BEAT_S)):
        beat += 1
        try:
            _write(url, own, beat, console, waiting)
        except (OSError, LipsyncError):
            continue  # the store is busy: the next one may do


def _write(url: str, own: dict[str, Any], beat: int, console: Console, waiting: Waiting) -> None:
    note = own | {"beat": beat, "passes": passes_of(console), "waiting": waiting.text}
    storage.commit_bytes(url, json.dumps(note).encode())


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
