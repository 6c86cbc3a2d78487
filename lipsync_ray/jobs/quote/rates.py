"""Measured cost of a frame, by stage: from the records of runs, and in the table of ``lipsync-ray calibrate``.

Costs are CPU seconds of all threads of a stage's process. Unlike wall time they do not depend on other load of the
machine. Two more measured numbers give a run's time: its fixed start time, and the share of the CPUs that rows keep
busy.

Runs with frames of two sizes tell what part of a cost grows with the frame. A single run tells its mean cost, which is
divided as it was on the machine that this was written on.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from lipsync_ray.errors import LipsyncError, ManifestError, SettingsError
from lipsync_ray.home import home
from lipsync_ray.io import storage
from lipsync_ray.io.results import read_results
from lipsync_ray.io.run_folder import record_of
from lipsync_ray.jobs.dub.inputs import DUB
from lipsync_ray.jobs.dub.methods.registry import METHODS
from lipsync_ray.media.choices import VideoCoding
from lipsync_ray.media.codecs import codec_of, coding_record, decided

FORMAT = 1
_SQUARE = 512 * 512 / 1e6  # megapixels
RATES_FILE = "rates.json"
# Of the CPUs' time that rows use on the slope of many runs' times over their work, on two cores; taken where one run is known.
_BUSY = 0.88
_SIZED = 20  # videos whose size is asked for
_COMMAND_S = 4.5  # of Python's imports before a run, and of Ray's end after it
_ON_CPUS = frozenset({"crop", "compose"})  # whatever the networks run on


Kind = Literal["8 bits", "10 bits", "HDR"]
"""Of pictures: 8-bit 4:2:0; deeper, of finer chroma, transparent; PQ or HLG."""


def sort_of(codec: str, kind: Kind) -> str:
    """What a table calls an output."""
    return f"{codec}, {kind}"


def _bytes_decided_by(coding: Mapping[str, Any]) -> tuple[Any, ...]:
    """(quality, codec, preset) of a record; of one that is empty, H.264's defaults."""
    usual = {**coding_record(VideoCoding()), **coding}
    return usual["crf"], usual.get("codec", "h264"), usual["preset"]


@dataclass(frozen=True)
class Rate:
    """Cost of a stage: frames · (frame + megapixel · megapixels of a frame).

    Attributes
    ----------
    frame, megapixel : CPU seconds
    gpu : wall seconds of a GPU per frame; 0 for a stage without one
    """

    frame: float
    megapixel: float = 0.0
    gpu: float = 0.0

    def cpu(self, frames: float, megapixels: float) -> float:
        """CPU seconds."""
        return frames * (self.frame + self.megapixel * megapixels)


@dataclass(frozen=True)
class Rates:
    """Costs of one configuration: a model, a restorer, a device.

    Attributes
    ----------
    work : name of the configuration, such as "warp on cpu"
    stages : name → cost
    decode : codec, or kind of pictures → CPU seconds per frame and megapixel that decoding costs more than for 8-bit H.264
    start_s : fixed seconds of a run: its processes start and load
    busy : part of the CPUs' time, 0 to 1, that rows use
    cpus : CPUs of the measured machine
    coding : how the output of what was measured was encoded; empty for H.264 at its defaults
    encode : codec and kind (:func:`sort_of`), at defaults → what decoding for it, drawing and encoding cost more than for 8-bit H.264
    sizes : codec and kind, or codec alone → bytes, on the same line as the CPU seconds of a :class:`Rate`
    """

    work: str
    stages: Mapping[str, Rate]
    decode: Mapping[str, float] = field(default_factory=dict)
    start_s: float = 0.0
    busy: float = 1.0
    cpus: float = 1.0
    coding: Mapping[str, Any] = field(default_factory=dict)
    encode: Mapping[str, Rate] = field(default_factory=dict)
    sizes: Mapping[str, Rate] = field(default_factory=dict)

    def coded(self, coding: VideoCoding, kind: Kind) -> Rate | None:
        """What "compose" costs more than by `stages` with another codec or kind of pictures; None where that was not measured."""
        asked, measured = _bytes_decided_by(coding_record(coding)), _bytes_decided_by(self.coding)
        if not self.encode:
            return Rate(0) if asked[1:] == measured[1:] else None
        usual = decided(VideoCoding(codec=codec_of(coding))).preset == decided(coding).preset
        return self.encode.get(sort_of(codec_of(coding), kind)) if usual else None

    def frame_bytes(self, coding: VideoCoding, kind: Kind) -> Rate | None:
        """Bytes of a frame by its size; None where that was not measured."""
        if not self.encode:
            same = _bytes_decided_by(coding_record(coding)) == _bytes_decided_by(self.coding)
            return self.sizes.get(codec_of(coding)) if same else None
        usual = replace(decided(VideoCoding(codec=codec_of(coding))), container=None)
        return (
            self.sizes.get(sort_of(codec_of(coding), kind))
            if replace(decided(coding), container=None) == usual
            else None
        )

    def seconds(self, cpu: float, gpu: float, cpus: float, gpus: float) -> float:
        """Seconds that this work takes on these CPUs and GPUs: those of the bottleneck."""
        return self.start_s + max(cpu / (max(1.0, cpus) * self.busy), gpu / gpus if gpus else 0.0)


@dataclass(frozen=True)
class Measurement:
    """What a run spent in a stage: frames, their mean size in megapixels, CPU seconds, and wall seconds on a GPU."""

    frames: int
    megapixels: float
    cpu: float
    gpu: float = 0.0


def fitted(measured: Sequence[Measurement], share: float) -> Rate:
    """Fit a stage's cost to measurements.

    Parameters
    ----------
    measured : of one run, or of two with frames of different sizes
    share : for measurements of one size: the part of the cost of a 512 × 512 frame that does not grow with size
    """
    small, large = min(measured, key=lambda one: one.megapixels), max(measured, key=lambda one: one.megapixels)
    gpu = sum(one.gpu for one in measured) / sum(one.frames for one in measured)
    low, high = small.cpu / small.frames, large.cpu / large.frames
    if large.megapixels <= small.megapixels * 1.2:
        mean = sum(one.cpu for one in measured) / sum(one.frames for one in measured)
        slope = (1 - share) / _SQUARE
        unit = mean / (share + slope * small.megapixels)
        return Rate(unit * share, unit * slope, gpu)
    slope = max(0.0, (high - low) / (large.megapixels - small.megapixels))
    return Rate(max(0.0, low - slope * small.megapixels), slope, gpu)


def line_through(runs: Sequence[tuple[float, float]], usual: float) -> tuple[float, float]:
    """Fit T = start + work / busy; return (start in seconds, busy as a part of the CPUs' time).

    Parameters
    ----------
    runs : (CPU seconds of work / number of CPUs, wall seconds of the run)
    usual : `busy` to use for a single run, or for several with about the same work
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


def rates_of(runs: Sequence[str]) -> Rates:
    """What frames cost in finished runs of the dub job, all made in the same way.

    Raises
    ------
    SettingsError : no such run, or one without what is needed
    """
    seen: dict[str, list[Measurement]] = defaultdict(list)
    spans: list[tuple[float, float]] = []
    record: Mapping[str, Any] = {}
    for run in runs:
        record = _record(run)
        work = work_of(record["passes"])
        if not work:
            raise SettingsError(
                f"{run}: nothing was made in its last run, or not by Ray: no CPU seconds are told of it"
            )
        megapixels = _megapixels(run)
        on_gpu = record["work"].endswith(" on cuda")
        for one in (one for one in record["passes"] if one["frames_done"]):
            for stage, seconds in one.get("cpu", {}).items():
                gpu = one["stages"][stage] if on_gpu and stage not in _ON_CPUS else 0.0
                seen[stage].append(Measurement(one["frames_done"], megapixels, seconds, gpu))
        lasted = record["ended"] - record["began"] + record["opened_s"] + _COMMAND_S
        spans.append((work / record["cluster"]["cpus"], lasted))
    shares = {stage: share for method in METHODS for stage, share in method.shares.items()}
    stages = {stage: fitted(some, shares.get(stage, 0.5)) for stage, some in seen.items()}
    start, busy = line_through(spans, _BUSY)
    coding = record["settings"]["coding"]
    sizes = {coding.get("codec", "h264"): Rate(0, size)} if (size := _frame_bytes(runs[-1])) else {}
    return Rates(record["work"], stages, {}, start, busy, record["cluster"]["cpus"], coding, {}, sizes)


def _record(run: str) -> Mapping[str, Any]:
    try:
        record = record_of(run, DUB.name)
    except FileNotFoundError as error:
        raise SettingsError(f"{run}: no run to take rates from ({error})") from error
    except ManifestError as error:
        raise SettingsError(f"{run}: {error.problems[0]}") from error
    if record.get("ended") is None or "work" not in record:
        raise SettingsError(f"{run}: not a finished run of this version's dub job; rates cannot be taken from it")
    return record


def _frame_bytes(run: str) -> float | None:
    """Bytes of a run's frames a megapixel, sound included, by its first videos; None where they are gone."""
    found = [row for row in read_results(run) if row.status == "done" and row.output and row.frames][:_SIZED]
    try:
        total = sum(storage.size(row.output or "") for row in found)
    except (OSError, LipsyncError):
        return None
    shown = sum((row.frames or 0) * (row.width or 0) * (row.height or 0) / 1e6 for row in found)
    return total / shown if shown else None


def _megapixels(run: str) -> float:
    """Of the run's frames, on average."""
    rows = [row for row in read_results(run) if row.status == "done" and row.frames and row.width and row.height]
    frames = sum(row.frames or 0 for row in rows)
    return sum((row.frames or 0) * (row.width or 0) * (row.height or 0) for row in rows) / max(1, frames) / 1e6


def default_rates_url() -> str:
    """Default location of the table of ``calibrate``: ``$XDG_CACHE_HOME/lipsync_ray/rates.json``."""
    cache = os.environ.get("XDG_CACHE_HOME")
    return str((Path(cache) if cache else home() / ".cache") / "lipsync_ray" / RATES_FILE)


def check_rates_url(url: str) -> None:
    """Check that a table of rates can be written there: nothing exists yet, or a table to add to.

    Raises
    ------
    SettingsError : something else is there
    """
    found = storage.what_is(url)
    if found == "folder":
        raise SettingsError(f"-o {url}: a folder; expected the name of the table, such as {RATES_FILE} in it")
    if found == "file":
        _table(url)


def save(url: str, rates: Rates) -> None:
    """Save a configuration's costs in a table; its other entries stay."""
    table = _table(url) if storage.exists(url) else {}
    table[rates.work] = asdict(rates)
    storage.commit_bytes(url, json.dumps({"format": FORMAT, "rates": table}, indent=1).encode())


def load(url: str, work: str) -> Rates:
    """Load the costs of a configuration.

    Raises
    ------
    SettingsError : no such table, or it lacks the configuration
    """
    try:
        table = _table(url)
    except FileNotFoundError:
        raise SettingsError(f"--rates {url}: no such file; `lipsync-ray calibrate` measures one") from None
    if work not in table:
        raise SettingsError(
            f"--rates {url}: no measurement of {work!r}, only of {', '.join(sorted(table)) or 'nothing'}; run "
            "`lipsync-ray calibrate` with the same model, restoration and device"
        )
    values = dict(table[work])
    for one in ("stages", "encode", "sizes"):
        values[one] = {name: Rate(**rate) for name, rate in values.get(one, {}).items()}
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
