"""What a GPU machine gives, one command: every network alone and as it is called, copies, whole dubs against their floors, busy cards.

    python benchmarks/gpu.py --all [--device cuda] [--json gpu.json]      at most 10 minutes; --short: at most 3
    python benchmarks/gpu.py [--seconds 1] [--only wav2lip …] [--dub 600]    every batch, precision and way, without a limit
    python benchmarks/gpu.py --all --small --device cpu                     shows that every section runs; its figures mean nothing

Weights are random, of the published sizes, and nothing is fetched. Networks whose packages are not installed (MuseTalk's) are left
out, and said to be. Prints Markdown; figures also go to --json, by default $OUT/gpu.json where $OUT is set, after every section.

* machine: product of matrices in TFLOP/s, copies between host and device
* networks: items/s, ms a pass, TFLOP/s, and that as a share of the product; as it is, channels last, a CUDA graph, torch.compile
  (the last not within --all)
* as called: networks as a stage calls them, uint8 in and out; MTCNN by frames at the same time; Wav2Lip beside a CPU in fp32
* dubs: of a 720p video, by model, decoder, encoder and restoration: frames/s of the whole command, and of the second half of its
  segments, against the least of network, decode, compose + encode; how busy cards (NVML, once a second) and cores were

Each section has a share of the limit, and gets what earlier ones left of theirs. What no time was left for is named at the end.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
LIMIT_S = {"all": 600.0, "short": 180.0}
ENDING_S = 15.0  # of the limit, to stop what runs, Ray included, and to print
SHARES = {"machine": 0.05, "networks": 0.2, "as called": 0.2, "dubs": 0.55}
DUB_S = {"all": 240.0, "short": 80.0, "small": 16.0}  # of the long video


def parsed(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The command's arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="every section, within 10 minutes")
    parser.add_argument("--short", action="store_true", help="every section, within 3 minutes")
    parser.add_argument("--limit", type=float, help="another limit in seconds, of --all or --short")
    parser.add_argument(
        "--seconds", type=float, help="of each measurement (1; with --all 0.5, with --short or --small 0.2)"
    )
    parser.add_argument("--only", nargs="*", default=[], help="networks whose names begin so; with --all also dubs")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--dub", type=float, help="seconds of video of the dubs; 0 makes none")
    parser.add_argument("--quick", action="store_true", help="smallest batches alone")
    parser.add_argument(
        "--small", action="store_true", help="tiny networks and videos, which only show that sections run"
    )
    parser.add_argument("--engine", choices=("ray", "inline"), default="ray", help="of the dubs")
    parser.add_argument("--device", default="cuda")
    asked = parser.parse_args(given)
    asked.all = asked.all or asked.short
    asked.quick = asked.quick or asked.short or asked.small
    if asked.limit is None and asked.all:
        asked.limit = LIMIT_S["short" if asked.short else "all"]
    if asked.seconds is None:
        asked.seconds = 0.2 if asked.short or asked.small else 0.5 if asked.all else 1.0
    if asked.dub is None:
        asked.dub = DUB_S["small" if asked.small else "short" if asked.short else "all"] if asked.all else 0.0
    if asked.json is None and (folder := os.environ.get("OUT")):
        asked.json = Path(folder) / "gpu.json"
    return asked


class OutOfTime(BaseException):
    """A section's time is up. Not an Exception: what measures catches those, and goes on."""


class Clock:
    """Gives each section its share of the limit, and keeps what was left out.

    Parameters
    ----------
    limit_s : of everything; None for no limit

    Attributes
    ----------
    left_out : what was not measured, and why
    """

    def __init__(self, limit_s: float | None) -> None:
        self._began, self._share = time.monotonic(), 0.0
        self._limit_s = None if limit_s is None else max(0.0, limit_s - ENDING_S)
        self._until = float("inf")
        self.left_out: list[str] = []

    @property
    def spent_s(self) -> float:
        return time.monotonic() - self._began

    @property
    def left_s(self) -> float:
        """Seconds that are left to this section."""
        return self._until - time.monotonic()

    def section(self, name: str) -> None:
        """Begin one. What earlier ones left of their time is its own."""
        self._share += SHARES[name]
        if self._limit_s is not None:
            self._until = self._began + self._limit_s * self._share

    def each(self, section: str, items: Iterable[tuple[str, Callable[[], T]]]) -> Iterator[T]:
        """What each returns that succeeds in time."""
        for name, call in items:
            if self.left_s < 1.0:
                self.left_out.append(f"{section}: {name} (no time was left)")
                continue
            began = time.monotonic()
            try:
                with within(self.left_s):
                    result = call()
            except OutOfTime:
                self.left_out.append(f"{section}: {name} (stopped after {time.monotonic() - began:.0f} s)")
            except (
                Exception
            ) as error:  # a network too large for the card, an encoder that it lacks: the others are measured
                lines = str(error).strip().splitlines()
                self.left_out.append(f"{section}: {name} ({type(error).__name__}: {lines[0][:160] if lines else ''})")
            else:
                yield result


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise :class:`OutOfTime` in the main thread after so many seconds."""
    if seconds == float("inf"):
        yield
        return

    def ring(*_: Any) -> None:
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def machine(device: Any) -> dict[str, Any]:
    """What it is that figures are of."""
    import torch

    from lipsync_ray.compute import usable_cpus

    cards = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        processor = platform.machine()
    return {
        "measured_on": cards[0] if device.type == "cuda" else "CPU", "cards": cards, "processor": processor,
        "cpus": usable_cpus(), "torch": torch.__version__, "cuda": torch.version.cuda,
    }  # fmt: skip


def headline(about: dict[str, Any], small: bool) -> str:
    """The machine, as the first lines."""
    on = (
        f"{len(about['cards'])} × {about['measured_on']}" if about["measured_on"] != "CPU" else "the CPU, **not a GPU**"
    )
    lines = [f"Measured on {on}; {about['cpus']:g} cores of {about['processor']}; torch {about['torch']}, CUDA {about['cuda']}; deterministic, no TF32."]  # fmt: skip
    return "\n".join([*lines, *(["**Tiny inputs: these figures mean nothing.**"] if small else [])]) + "\n"


def main(asked: argparse.Namespace) -> None:
    clock = Clock(asked.limit)
    from gpu_called import Inputs

    from lipsync_ray.compute import device_of

    device = device_of(asked.device)
    about = machine(device)
    print(headline(about, asked.small), flush=True)
    told: dict[str, Any] = {"machine": about, "arguments": {name: str(value) for name, value in vars(asked).items()}}

    def keep(**found: Any) -> None:
        told.update(found, left_out=clock.left_out, seconds=clock.spent_s)
        if asked.json:
            asked.json.write_text(json.dumps(told, indent=1))

    with tempfile.TemporaryDirectory() as scratch:
        inputs = Inputs(Path(scratch), asked.dub, asked.small)
        keep(**of_networks(asked, device, clock))
        rates = of_stages(asked, inputs, clock, keep)
        of_dubs(asked, inputs, rates, clock, keep)
    print(f"Took {clock.spent_s:.0f} s" + (f" of {asked.limit:.0f}." if asked.limit else "."))
    print("Left out:\n" + "\n".join(f"* {one}" for one in clock.left_out) if clock.left_out else "Left out: nothing.")
    keep()


def of_networks(asked: argparse.Namespace, device: Any, clock: Clock) -> dict[str, Any]:
    """Measure the machine and bare networks; print them."""
    import gpu_networks as bare

    clock.section("machine")
    names = [p for p in bare.PRECISIONS if device.type == "cuda" or p == "fp32" or (p == "bf16" and not asked.small)]
    product = lambda name: (name, bare.peak_tflops(device, bare.PRECISIONS[name], asked.seconds))  # noqa: E731
    peaks = dict(clock.each("product", [(name, partial(product, name)) for name in names]))
    print("Product of matrices, TFLOP/s: " + ", ".join(f"{p} {value:.1f}" for p, value in peaks.items()) + "\n")
    copied = clock.each("copies", [("64 MB", partial(bare.copies, device, asked.seconds))])
    moved = [pair for some in copied for pair in some]
    rows = [[way, f"{rate:.1f}"] for way, rate in moved]
    print(markdown(["copy of 64 MB", "GB/s"], rows), flush=True)
    clock.section("networks")
    ways = bare.ways_on(device, compiled=not asked.all)
    items = []
    try:
        for network in bare.networks(asked.small):
            if chosen(network.name, asked.only):
                few = network.few(0 if asked.small else 1 if asked.quick else 2 if asked.all else None)
                # What "auto" chooses on a card first: where time is short, the others are left out.
                for p in sorted(peaks, key=("fp16", "bf16", "fp32").index):
                    items.append((f"{network.name} in {p}", partial(bare.measured, few, device, asked.seconds, peaks, p, ways)))  # fmt: skip
    except ImportError as error:
        clock.left_out.append(f"networks: musetalk ({error})")
    found = [one for some in clock.each("networks", items) for one in some]
    head = ["network", "batch", "precision", "way", "items/s", "ms a pass", "TFLOP/s", "of its product", "GB", ""]
    print(markdown(head, [_cells(one) for one in found]), flush=True)
    return {"peaks": peaks, "copies": moved, "networks": [asdict(one) for one in found]}


def of_stages(asked: argparse.Namespace, inputs: Any, clock: Clock, keep: Callable[..., None]) -> list[Any]:
    """Measure networks as they are called; print them."""
    import gpu_called as called

    clock.section("as called")
    items = [
        (name, call) for name, call in called.stages(inputs, asked.device, asked.seconds) if chosen(name, asked.only)
    ]
    rates = [rate for some in clock.each("as called", items) for rate in some]
    rows = [[one.network, one.items, str(one.batch), f"{one.per_s:,.1f}"] for one in rates]
    print(markdown(["as called", "of", "batch, or frames at a time", "items/s"], rows), flush=True)
    keep(called=[asdict(one) for one in rates])
    compare = partial(called.by_precision, inputs, asked.device, asked.seconds, asked.quick)
    items_by = [("wav2lip by precision", compare)] if chosen("wav2lip", asked.only) else []
    compared = [row for some in clock.each("as called", items_by) for row in some]
    rows = [[row["precision"], str(row["batch"]), f"{row['per_s']:,.0f}", f"{row['mean_levels']:.3f}", str(row["most_levels"])] for row in compared]  # fmt: skip
    head = ["Wav2Lip as called", "batch", "frames/s", "mean levels from a CPU's fp32", "most"]
    print(markdown(head, rows), flush=True)
    keep(by_precision=compared)
    return rates


def of_dubs(asked: argparse.Namespace, inputs: Any, rates: list[Any], clock: Clock, keep: Callable[..., None]) -> None:
    """Measure whole dubs; print them."""
    clock.section("dubs")
    if not asked.dub:
        return
    if asked.engine == "ray" and importlib.util.find_spec("ray") is None:
        clock.left_out.append("dubs (Ray is not installed)")
        return
    import gpu_dubs as dubs

    from lipsync_ray.engine.session import session

    floors = dubs.Floors(inputs, rates, asked.device, 0.5 if asked.small else 2.0)
    make = partial(dubs.measured, inputs=inputs, floors=floors, device=asked.device, engine=asked.engine)
    items = [(str(one), partial(make, one)) for one in dubs.variants(asked.device != "cpu") if chosen(one.model, asked.only)]  # fmt: skip
    # One Ray for all dubs, which costs its start once.
    open_ray = session("local", 0 if asked.device == "cpu" else None) if asked.engine == "ray" else nullcontext()
    made: list[dict[str, Any]] = []
    with open_ray:
        for one in clock.each("dubs", items):
            made.append(one)
            keep(dubs=made)
    head = [
        "dub",
        "frames",
        "s",
        "frames/s",
        "second half",
        *("network", "decode", "compose + encode"),
        "limit",
        "of it",
    ]
    print(markdown(head, [_dub_cells(one) for one in made]))
    head = ["dub", "cards busy, %", "second half", "most", "decoders, %", "encoders, %", "GB", "cores", "second half", "read by", "passes, frames/s", "work by stage, ms a frame"]  # fmt: skip
    print(markdown(head, [_busy_cells(one) for one in made]), flush=True)


def chosen(name: str, only: Sequence[str]) -> bool:
    """Whether a network is asked for."""
    return not only or any(name.startswith(some) for some in only)


def markdown(head: list[str], rows: list[list[str]]) -> str:
    """A table; nothing where it has no rows."""
    if not rows:
        return ""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.1f}"


def _listed(values: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:,.1f}" for name, value in values.items())


def _cells(one: Any) -> list[str]:
    if one.note:
        return [one.network, str(one.batch), one.precision, one.way, "", "", "", "", "", one.note]
    numbers = (f"{one.per_s:,.1f}", f"{one.ms:.2f}", f"{one.tflops:.2f}", f"{one.share:.0%}", f"{one.memory_gb:.2f}")
    return [one.network, str(one.batch), one.precision, one.way, *numbers, ""]


def _dub_cells(one: dict[str, Any]) -> list[str]:
    parts = [_number(one["floors"].get(name)) for name in ("network", "decode", "compose + encode")]
    limit = one["limit"] if "network" in one["floors"] else f"{one['limit']}; network not measured"
    speed = [f"{one['seconds']:.1f}", f"{one['per_s']:,.1f}", _number(one["steady_per_s"])]
    return [one["dub"], str(one["frames"]), *speed, *parts, limit, f"{one['of_limit']:.2f}"]


def _busy_cells(one: dict[str, Any]) -> list[str]:
    read = [
        _number(one[name])
        for name in (
            "busy",
            "busy_at_work",
            "busy_most",
            "decoder_busy",
            "encoder_busy",
            "gb",
            "cores",
            "cores_at_work",
        )
    ]
    return [one["dub"], *read, one["source"] or "no card", _listed(one["passes"]), _listed(one["stage_ms"])]


if __name__ == "__main__":
    ARGUMENTS = parsed()
    sys.path.append(str(Path(__file__).resolve().parents[1]))  # a checkout that is not installed
    main(ARGUMENTS)
