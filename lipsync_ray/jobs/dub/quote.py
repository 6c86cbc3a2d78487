"""What a table of dubs will come to, before anything is spent: from headers, what OUT holds, and measured rates.

Nothing is decoded, fetched or written. Where a header is wrong, so is the quote; the run itself looks at every file.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TypeVar

from lipsync_ray import addresses
from lipsync_ray.engine.rates import Rates
from lipsync_ray.engine.resources import Pool, allocate
from lipsync_ray.engine.runners import Cluster
from lipsync_ray.errors import LipsyncError
from lipsync_ray.inputs.content_ids import content_ids
from lipsync_ray.inputs.face_pass import table_name
from lipsync_ray.io import storage
from lipsync_ray.io.manifest import Dub
from lipsync_ray.io.results import RESULTS, has_output
from lipsync_ray.jobs.dub.inputs import DUB
from lipsync_ray.jobs.dub.plan import ranges
from lipsync_ray.jobs.dub.recipe import Keys, Recipe
from lipsync_ray.jobs.dub.segment import output_frames
from lipsync_ray.media.headers import Header, read_sound, read_video
from lipsync_ray.settings import Workers

_LOOKERS = 16
_PART = re.compile(r"(.+)-(\d+)-(\d+)\.mp4")  # its dub and fingerprint, its first frame, and the one after its last

Found = TypeVar("Found")


@dataclass(frozen=True)
class Prices:
    """Of machines, an hour; None where nobody says."""

    cpu: float | None = None
    gpu: float | None = None


@dataclass(frozen=True)
class Load:
    """What a stage has to do: frames, and its share of them in CPU and GPU seconds."""

    frames: int = 0
    cpu: float = 0.0
    gpu: float = 0.0


@dataclass(frozen=True)
class Quote:
    """A plan of a run.

    Attributes
    ----------
    dubs, before : rows of the table; of these, finished by an earlier run
    unreadable : (id, reason) of rows whose files cannot be used
    videos, fresh : distinct videos of what is left to do; of these, whose faces have to be found first
    source_s : seconds of those
    output_s, frames, segments : of what is left to make; whole segments of an earlier run are not counted
    pools : (stage, its processes)
    loads : stage → what it has to do
    seconds : how long it will take; None where no rates are known
    cost : of the machines meanwhile; None where no price is said
    rates : that it is estimated by
    """

    dubs: int
    before: int
    unreadable: tuple[tuple[str, str], ...]
    videos: int
    fresh: int
    source_s: float
    output_s: float
    frames: int
    segments: int
    pools: tuple[tuple[str, Pool], ...]
    loads: dict[str, Load] = field(default_factory=dict)
    seconds: float | None = None
    cost: float | None = None
    rates: Rates | None = None


def quote(
    dubs: Sequence[Dub],
    recipe: Recipe,
    workers: Workers,
    out: str,
    cluster: Cluster,
    rates: Rates | None = None,
    prices: Prices | None = None,
) -> Quote:
    """Plan the dubs of a checked manifest.

    Parameters
    ----------
    out : the run's folder; it need not be there
    cluster : that will do it
    rates : of the recipe's way to work; without them no time is told
    prices : without them no cost is

    Raises
    ------
    SettingsError : options that this cluster cannot meet
    """
    layout = allocate(
        cluster, workers, alone=False, networks=recipe.network_stages, decoding=recipe.settings.decodes_on_gpus
    )
    ids = content_ids(url for dub in dubs for url in (dub.video, dub.audio))
    headers = _looked_at({dub.video for dub in dubs}, lambda url: read_video(url, recipe.settings.still_rate))
    sounds = _looked_at({dub.audio for dub in dubs}, read_sound)
    keys: dict[str, Keys] = {}
    unreadable = []
    for dub in dubs:
        found = ids[dub.video], ids[dub.audio], headers[dub.video], sounds[dub.audio]
        if reasons := [str(one) for one in found if isinstance(one, Exception)]:
            unreadable.append((dub.id, addresses.without_secrets(reasons[0])))
        else:
            keys[dub.id] = recipe.keys(dub, str(ids[dub.video]), str(ids[dub.audio]))
    prints = {name: key.fingerprint for name, key in keys.items()}
    kept = RESULTS.kept(out, prints, has_output(out, ["videos"]), DUB.name)
    stages = recipe.method.stages(layout)
    work = _Work(recipe, [stage.name for stage in stages], out, rates)
    for dub in dubs:
        header, sound = headers[dub.video], sounds[dub.audio]
        if dub.id in keys and dub.id not in kept and isinstance(header, Header) and isinstance(sound, Fraction):
            work.add(dub, keys[dub.id], header, sound, workers)
    pools = (
        ("detect", layout.model),
        (recipe.method.source_stage, layout.model),
        *((stage.name, Pool(stage.workers, stage.cpus, stage.gpus)) for stage in stages),
    )
    gpus = layout.model.workers * min(1.0, sum(pool.gpus for _, pool in pools)) if recipe.device == "cuda" else 0.0
    seconds = None
    if rates is not None and work.loads:
        cpu, gpu = (sum(getattr(load, name) for load in work.loads.values()) for name in ("cpu", "gpu"))
        seconds = max(rates.seconds(cpu, gpu, cluster.cpus, gpus), rates.start_s + work.longest_s)
    return Quote(
        len(dubs), len(kept), tuple(unreadable), len(work.videos), len(work.fresh), work.source_s, work.output_s,
        work.frames, work.segments, pools, dict(work.loads), seconds, _cost(seconds, cluster, prices), rates,
    )  # fmt: skip


class _Work:
    """What is left to do, added up."""

    def __init__(self, recipe: Recipe, stages: Sequence[str], out: str, rates: Rates | None) -> None:
        self.recipe, self.rates, self._stages, self._out = recipe, rates, stages, out
        self.loads: dict[str, Load] = defaultdict(Load)
        self.videos: set[str] = set()
        self.fresh: set[str] = set()
        self.source_s = self.output_s = 0.0
        self.frames = self.segments = 0
        self._tables = storage.list_names(storage.join(out, "faces"))
        self._there: dict[tuple[str, ...], set[str]] = {}  # folder → names in it
        self.longest_s = 0.0  # of what one worker alone does
        self._parts: Counter[str] = Counter()  # folder and fingerprint → frames that are committed
        self._part_counts: Counter[str] = Counter()
        for name in storage.list_tree(storage.join(out, "parts")):
            if part := _PART.fullmatch(name):
                self._parts[part[1]] += int(part[3]) - int(part[2])
                self._part_counts[part[1]] += 1

    def add(self, dub: Dub, keys: Keys, header: Header, sound_s: Fraction, workers: Workers) -> None:
        """One dub that is not done."""
        settings = self.recipe.settings
        rate = float(header.rate)
        if keys.video not in self.videos:
            self.videos.add(keys.video)
            if table_name(dub.video, keys.video) not in self._tables:
                self.fresh.add(keys.video)
                self.source_s += header.frames / rate
                self._load("detect", header.frames, header)
        frames = output_frames(header, sound_s, settings.length)
        self._prepare(keys, frames, header)
        parts = ranges(self.recipe, workers.segment_s, frames, header.rate)
        made = f"{dub.id}/{keys.fingerprint}"
        left = max(0, frames - self._parts[made])
        self.segments += max(0, len(parts) - self._part_counts[made])
        self.frames += left
        self.output_s += left / rate
        for stage in self._stages:
            self._load(stage, left, header)

    def _prepare(self, keys: Keys, frames: int, header: Header) -> None:
        """What is made before the dub is drawn, once."""
        wanted = self.recipe.method.prepared(keys.video, keys.audio, frames, header)
        if wanted.folder not in self._there:
            self._there[wanted.folder] = set(storage.list_names(storage.join(self._out, *wanted.folder)))
        if wanted.file in self._there[wanted.folder]:
            return
        self._there[wanted.folder].add(wanted.file)
        self._load(wanted.stage, wanted.frames, header)
        if wanted.alone and self.rates is not None and (rate := self.rates.stages.get(wanted.stage)) is not None:
            self.longest_s = max(self.longest_s, max(rate.cpu(wanted.frames, 0), rate.gpu * wanted.frames))

    def _load(self, stage: str, frames: int, header: Header) -> None:
        before, rate = self.loads[stage], self.rates.stages.get(stage) if self.rates else None
        cpu = gpu = 0.0
        if rate is not None and self.rates is not None:
            source = header.megapixels
            more = self.rates.decode.get(header.codec, 0.0) * self.recipe.method.decodes.get(stage, 0)
            made = self.recipe.megapixels(source) if stage == "compose" else source
            cpu, gpu = rate.cpu(frames, made) + more * source * frames, rate.gpu * frames
        self.loads[stage] = Load(before.frames + frames, before.cpu + cpu, before.gpu + gpu)


def _looked_at(urls: Iterable[str], look: Callable[[str], Found]) -> dict[str, Found | Exception]:
    """What is found in each file, or why nothing is."""

    def guarded(url: str) -> Found | Exception:
        try:
            return look(url)
        except (LipsyncError, OSError, ValueError) as error:
            return error

    distinct = sorted(set(urls))
    with ThreadPoolExecutor(_LOOKERS) as pool:
        return dict(zip(distinct, pool.map(guarded, distinct), strict=True))


def _cost(seconds: float | None, cluster: Cluster, prices: Prices | None) -> float | None:
    if seconds is None or prices is None or (prices.cpu is None and prices.gpu is None):
        return None
    return seconds / 3600 * (cluster.cpus * (prices.cpu or 0) + cluster.gpus * (prices.gpu or 0))
