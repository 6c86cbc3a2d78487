"""Locks a run's folder: the run that works there leaves a note, and a second run is refused.

The note is in storage, so it works across machines. If the run's process was on this machine, its end is known at once.
A run on another machine is watched for a while, without comparing clocks: its note changes as long as it lives.
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

from lipsync_ray.engine import cluster_state
from lipsync_ray.engine.progress import passes_of
from lipsync_ray.engine.waiting import Waiting
from lipsync_ray.errors import LipsyncError, SettingsError
from lipsync_ray.io import storage

FILE = "running.json"
BEAT_S = 10.0  # between two heartbeats
FIRST_BEAT_S = 2.0  # until the first one, which has the passes, for `lipsync-ray status`
STALE_S = 45.0  # without a heartbeat, after which a run elsewhere counts as dead
_POLL_S = 1.0
_OWN_RUNS: set[str] = set()  # ids of this process's live runs: a note that an ended run could not remove does not count


@contextlib.contextmanager
def run_lock(out: str, console: Console) -> Iterator[None]:
    """Lock a run's folder during the block; write to it and to the console what the run waits for.

    Parameters
    ----------
    out : the folder
    console : for messages about waiting

    Raises
    ------
    SettingsError : another run is working there
    """
    url = storage.join(out, FILE)
    other = _read(url)
    if other is not None:
        _refuse_while_it_lives(out, other, console)
    own = {"id": uuid.uuid4().hex, "place": _machine(), "host": platform.node(), "process": _process(os.getpid())}
    waiting = Waiting(console, cluster_state.read)
    _write(url, own, 0, console, waiting)
    found = _read(url)  # if two runs start at the same moment, the later one's note stays
    if found is None or found["id"] != own["id"]:
        raise _in_use(out, found or own)
    _OWN_RUNS.add(own["id"])
    over = threading.Event()
    # Two threads: a cluster that does not answer must not delay the heartbeat.
    beating = threading.Thread(target=_beat, args=(url, own, over, console, waiting), name="occupancy", daemon=True)
    watching = threading.Thread(target=waiting.watch, args=(over,), name="waiting", daemon=True)
    beating.start()
    watching.start()
    try:
        yield
    finally:
        _OWN_RUNS.discard(own["id"])
        over.set()
        beating.join()
        found = _read(url)
        if found is not None and found["id"] == own["id"]:
            storage.remove(url)


def _refuse_while_it_lives(out: str, other: dict[str, Any], console: Console) -> None:
    if other["place"] != _machine():
        console.print(
            f"{out}: a run on {other['host']} has not ended there; waiting for up to {STALE_S:.0f} s for its heartbeat",
            highlight=False, markup=False,
        )  # fmt: skip
    state, note = life_of(out)
    if state == "lives":
        raise _in_use(out, note)
    if other["place"] != _machine():
        line = f"{out}: no heartbeat; that run is over, this one resumes it"
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def life_of(out: str) -> tuple[Literal["lives", "killed", "over"], dict[str, Any]]:
    """Whether the run in a folder lives, was killed, or is over; and its note. May wait for a heartbeat.

    Returns
    -------
    ("over", {}) if there is no note
    """
    url = storage.join(out, FILE)
    note = _read(url)
    if note is None:
        return "over", {}
    if note["place"] == _machine():
        number = int(note["process"].split("-")[0])
        lives = note["process"] == _process(number) and (number != os.getpid() or note["id"] in _OWN_RUNS)
        return ("lives" if lives else "killed"), note
    until = time.monotonic() + STALE_S
    while time.monotonic() < until:
        time.sleep(_POLL_S)
        found = _read(url)
        if found is None:
            return "over", {}
        if (found["id"], found["beat"]) != (note["id"], note["beat"]):
            return "lives", found
    return "killed", note


def _in_use(out: str, other: dict[str, Any]) -> SettingsError:
    return SettingsError(
        f"-o {out}: another run works there (process {other['process'].split('-')[0]} on {other['host']}). Wait for "
        "its end, "
        "stop it, or choose another folder"
    )


def _beat(url: str, own: dict[str, Any], over: threading.Event, console: Console, waiting: Waiting) -> None:
    beat = 0
    while not over.wait(BEAT_S if beat else min(BEAT_S, FIRST_BEAT_S)):
        beat += 1
        try:
            _write(url, own, beat, console, waiting)
        except (OSError, LipsyncError):
            continue  # the store is busy: the next heartbeat may succeed


def _write(url: str, own: dict[str, Any], beat: int, console: Console, waiting: Waiting) -> None:
    note = own | {"beat": beat, "passes": passes_of(console), "waiting": waiting.text}
    storage.commit_bytes(url, json.dumps(note).encode())


def _read(url: str) -> dict[str, Any] | None:
    try:
        note: dict[str, Any] = json.loads(storage.read_bytes(url))
    except (FileNotFoundError, ValueError):
        return None
    return note if {"id", "place", "host", "process", "beat"} <= note.keys() else None


def _machine() -> str:
    """Scope of process numbers: this boot of this machine, and its container."""
    parts = [platform.node()]
    with contextlib.suppress(OSError):
        parts += [Path("/proc/sys/kernel/random/boot_id").read_text().strip(), os.readlink("/proc/self/ns/pid")]
    return " ".join(parts)


def _process(number: int) -> str:
    """``number-begin`` of a live process, to tell it from a later one with the same number; else ``number-``."""
    try:
        # The command's name, in brackets, may hold anything: what follows it is state, …, and in ticks when it began.
        state, *rest = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
        return f"{number}-" if state == "Z" else f"{number}-{rest[18]}"
    except OSError:
        return f"{number}-"
