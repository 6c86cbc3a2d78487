"""What a frame costs, stage by stage, as it was measured: by ``lipsync-ray calibrate``, or in an earlier run.

Costs are CPU seconds, of all threads of a stage's process: unlike seconds on a clock they do not depend on what else the
machine does meanwhile. A run's time follows from them by two numbers that are measured, too: what it takes whatever its
rows, and how much of the CPUs they keep busy.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lipsync_ray.errors import SettingsError
from lipsync_ray.home import home
from lipsync_ray.io import storage

FORMAT = 1
_SQUARE = 512 * 512 / 1e6  # megapixels
RATES_FILE = "rates.json"


@dataclass(frozen=True)
class Rate:
    """What a stage costs: frames · (frame + megapixel · megapixels of a frame).

    Attributes
    ----------
    frame, megapixel : CPU seconds
    gpu : seconds of a GPU a frame, by the clock; 0 of a stage that has none
    """

    frame: float
    megapixel: float = 0.0
    gpu: float = 0.0

    def cpu(self, frames: float, megapixels: float) -> float:
        """CPU seconds."""
        return frames * (self.frame + self.megapixel * megapixels)


@dataclass(frozen=True)
class Rates:
    """The costs of one way to work: a model, a restorer, a device.

    Attributes
    ----------
    work : the way, such as "warp on cpu"
    stages : name → cost
    decode : codec → CPU seconds a frame and megapixel that decoding it costs more than H.264
    start_s : seconds of a run whatever its rows: processes that start and load
    busy : part of the CPUs' time, 0 to 1, that rows use
    cpus : of the machine that was measured
    """

    work: str
    stages: Mapping[str, Rate]
    decode: Mapping[str, float] = field(default_factory=dict)
    start_s: float = 0.0
    busy: float = 1.0
    cpus: float = 1.0

    def seconds(self, cpu: float, gpu: float, cpus: float, gpus: float) -> float:
        """How long so much work takes on so many CPUs and GPUs: as long as what has most to do."""
        return self.start_s + max(cpu / (max(1.0, cpus) * self.busy), gpu / gpus if gpus else 0.0)


@dataclass(frozen=True)
class Seen:
    """What a run spent in a stage: frames, their mean size in megapixels, CPU seconds, and seconds by the clock on a GPU."""

    frames: int
    megapixels: float
    cpu: float
    gpu: float = 0.0


def fitted(seen: Sequence[Seen], share: float) -> Rate:
    """The cost that goes through what was seen of a stage.

    Parameters
    ----------
    seen : of one run, or of two with frames of different sizes
    share : of a frame of 512 × 512, the part of the cost that does not grow with it, where one size alone was seen
    """
    small, large = min(seen, key=lambda one: one.megapixels), max(seen, key=lambda one: one.megapixels)
    gpu = sum(one.gpu for one in seen) / sum(one.frames for one in seen)
    low, high = small.cpu / small.frames, large.cpu / large.frames
    if large.megapixels <= small.megapixels * 1.2:
        mean = sum(one.cpu for one in seen) / sum(one.frames for one in seen)
        slope = (1 - share) / _SQUARE
        unit = mean / (share + slope * small.megapixels)
        return Rate(unit * share, unit * slope, gpu)
    slope = max(0.0, (high - low) / (large.megapixels - small.megapixels))
    return Rate(max(0.0, low - slope * small.megapixels), slope, gpu)


def line_through(runs: Sequence[tuple[float, float]], usual: float) -> tuple[float, float]:
    """(seconds outside of the work, part of the CPUs' time that the work uses): T = start + work / busy.

    Parameters
    ----------
    runs : (CPU seconds of work over the number of CPUs; seconds that the run lasted)
    usual : part that is taken where the runs do not tell: one alone, or several of about the same work
    """
    (low, short), (high, long) = min(runs), max(runs)
    busy = usual
    if high > low * 1.5 and long > short:
        busy = min(1.0, max(usual / 2, (high - low) / (long - short)))
    start = sum(lasted - work / busy for work, lasted in runs) / len(runs)
    return max(0.0, start), busy


def work_of(passes: Sequence[Mapping[str, Any]]) -> float:
    """CPU seconds of all rows of a run's passes."""
    return float(sum(sum(one.get("cpu", {}).values()) for one in passes))


def default_place() -> str:
    """Where ``calibrate`` leaves its table: ``$XDG_CACHE_HOME/lipsync_ray/rates.json``."""
    cache = os.environ.get("XDG_CACHE_HOME")
    return str((Path(cache) if cache else home() / ".cache") / "lipsync_ray" / RATES_FILE)


def check_place(url: str) -> None:
    """Check that a table of rates can be put there: nothing is there yet, or one that others are added to.

    Raises
    ------
    SettingsError : something else is
    """
    found = storage.what_is(url)
    if found == "folder":
        raise SettingsError(f"-o {url}: a folder; expected the name of the table, such as {RATES_FILE} in it")
    if found == "file":
        _table(url)


def save(url: str, rates: Rates) -> None:
    """Put a way to work into a table; others in it stay."""
    table = _table(url) if storage.exists(url) else {}
    table[rates.work] = asdict(rates)
    storage.commit_bytes(url, json.dumps({"format": FORMAT, "rates": table}, indent=1).encode())


def load(url: str, work: str) -> Rates:
    """The costs of a way to work.

    Raises
    ------
    SettingsError : no such table, or the way is not in it
    """
    try:
        table = _table(url)
    except FileNotFoundError:
        raise SettingsError(f"--rates {url}: no such file; `lipsync-ray calibrate` measures one") from None
    if work not in table:
        raise SettingsError(
            f"--rates {url}: nothing was measured for {work!r}, only for {', '.join(sorted(table)) or 'nothing'}; run "
            "`lipsync-ray calibrate` with the same model, restoration and device"
        )
    values = dict(table[work])
    values["stages"] = {name: Rate(**rate) for name, rate in values["stages"].items()}
    return Rates(**values)


def _table(url: str) -> dict[str, Any]:
    try:
        content = json.loads(storage.read_bytes(url))
        if content["format"] != FORMAT:
            raise ValueError(f"format {content['format']}, expected {FORMAT}")
        return dict(content["rates"])
    except (ValueError, KeyError, TypeError) as error:
        raise SettingsError(
            f"--rates {url}: not a table of rates ({error}); `lipsync-ray calibrate` makes one"
        ) from error
