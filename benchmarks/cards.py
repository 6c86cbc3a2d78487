"""What cards and cores do while something runs: NVML once a second, by a thread; `nvidia-smi` where there is no NVML.

A part of `gpu.py`. NVML is that of `nvidia-ml-py` where it is installed, else the copy inside Ray.
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # a part of the other; it measures nothing alone
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()

EVERY_S = 1.0
NVML = ("pynvml", "ray._private.thirdparty.pynvml")
QUERY = ("utilization.gpu", "utilization.memory", "utilization.decoder", "utilization.encoder", "memory.used")
Reading = tuple[float, ...]  # per cent busy: computing, memory, decoder, encoder; then GB in use. The mean of all cards
_STAT = Path("/proc/stat")


@dataclass
class Watched:
    """What was read, once a second.

    Attributes
    ----------
    source : "NVML", "nvidia-smi", or "" where no card answers
    cards : (when, what was read) of each second; NaN where unknown
    cores : (when, CPU cores of the machine in use) of each second

    `when` is of time.perf_counter().
    """

    source: str = ""
    cards: list[tuple[float, Reading]] = field(default_factory=list)
    cores: list[tuple[float, float]] = field(default_factory=list)

    def mean(self, place: int, since: float = 0.0) -> float | None:
        """Of one number of `cards`, read since then; None where it was never read."""
        return _mean([value for value in self._read(place, since) if value == value])

    def most(self, place: int) -> float | None:
        """The largest."""
        return max((value for value in self._read(place, 0.0) if value == value), default=None)

    def mean_cores(self, since: float = 0.0) -> float | None:
        """Cores in use since then; None where nothing was read."""
        return _mean([cores for when, cores in self.cores if when >= since])

    def _read(self, place: int, since: float) -> list[float]:
        return [reading[place] for when, reading in self.cards if when >= since]


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


@contextmanager
def watched(every_s: float = EVERY_S) -> Iterator[Watched]:
    """What cards and cores do meanwhile."""
    found = Watched()
    found.source, read = reader()
    stop = threading.Event()

    def watch() -> None:
        before = cpu_times()
        while not stop.wait(every_s):
            if read is not None:
                with suppress(OSError, subprocess.SubprocessError, ValueError):
                    reading = read()
                    found.cards.append((time.perf_counter(), reading))
            now = cpu_times()
            if before is not None and now is not None and now[1] > before[1]:
                cores = (now[0] - before[0]) / (now[1] - before[1]) * now[2]
                found.cores.append((time.perf_counter(), cores))
            before = now

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join()


def reader() -> tuple[str, Callable[[], Reading] | None]:
    """(its name, what reads all cards once); ("", None) where no card answers."""
    for name in NVML:
        try:
            nvml: Any = importlib.import_module(name)
            nvml.nvmlInit()
            handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
        except Exception:  # not installed, no driver, or no library of it: each has an exception of its own
            continue
        if handles:
            return "NVML", lambda nvml=nvml, handles=handles: mean_of([_by_nvml(nvml, card) for card in handles])
    try:
        _by_command()
    except (OSError, subprocess.SubprocessError, ValueError):
        return "", None
    return "nvidia-smi", _by_command


def mean_of(readings: Sequence[Reading]) -> Reading:
    """Of several cards, number by number.

    Raises
    ------
    ValueError : there is none
    """
    if not readings:
        raise ValueError("no card")
    return tuple(sum(values) / len(values) for values in zip(*readings, strict=True))


def of_lines(text: str) -> Reading:
    """What `nvidia-smi` printed, a line a card, megabytes last; "[N/A]" is NaN.

    Raises
    ------
    ValueError : it printed no card
    """
    rows = [[_number(value) for value in line.split(",")] for line in text.splitlines() if line.strip()]
    return mean_of([(*row[:-1], row[-1] * 2**20 / 1e9) for row in rows if len(row) == len(QUERY)])


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _by_command() -> Reading:
    query = ["nvidia-smi", f"--query-gpu={','.join(QUERY)}", "--format=csv,noheader,nounits"]
    return of_lines(subprocess.run(query, capture_output=True, text=True, check=True, timeout=10).stdout)


def _by_nvml(nvml: Any, card: Any) -> Reading:
    busy, memory = nvml.nvmlDeviceGetUtilizationRates(card), nvml.nvmlDeviceGetMemoryInfo(card)
    coders = []
    for ask in (nvml.nvmlDeviceGetDecoderUtilization, nvml.nvmlDeviceGetEncoderUtilization):
        try:
            coders.append(float(ask(card)[0]))
        except nvml.NVMLError:  # a card without one
            coders.append(float("nan"))
    return float(busy.gpu), float(busy.memory), coders[0], coders[1], memory.used / 1e9


def cpu_times() -> tuple[float, float, int] | None:
    """(busy, all, cores) of the machine's CPUs since its start, in ticks; None without /proc."""
    try:
        lines = [line.split() for line in _STAT.read_text().splitlines() if line.startswith("cpu")]
    except OSError:
        return None
    ticks = [float(value) for value in lines[0][1:9]]  # user, nice, system, idle, iowait, irq, softirq, steal
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks), len(lines) - 1
