"""Plans a run before anything is spent: from headers, what OUT holds, and measured rates.

Nothing is decoded, fetched or written. Where a header is wrong, so is the quote; the run itself reads every file.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TypeVar

from lipsync_ray import addresses
from lipsync_ray.engine.resources import Pool
from lipsync_ray.engine.runners import Cluster
from lipsync_ray.errors import LipsyncError
from lipsync_ray.inputs import face_pass
from lipsync_ray.inputs.content_ids import content_ids
from lipsync_ray.inputs.face_pass import table_name
from lipsync_ray.inputs.face_tables import key_of_pictures
from lipsync_ray.io import storage
from lipsync_ray.io.manifest import Cues, Dub, given_cues, sound_files
from lipsync_ray.io.results import RESULTS, has_output
from lipsync_ray.jobs.dub.inputs import DUB, given_turns
from lipsync_ray.jobs.dub.plan import ranges
from lipsync_ray.jobs.dub.recipe import Keys, Recipe
from lipsync_ray.jobs.dub.reviewed import reviews_of
from lipsync_ray.jobs.dub.segment import output_frames
from lipsync_ray.jobs.dub.voices import keys_of
from lipsync_ray.jobs.quote.rates import Kind, Rates, sort_of
from lipsync_ray.media.choices import VideoCoding
from lipsync_ray.media.codecs import PLAIN, codec_of, spec_of
from lipsync_ray.media.headers import Header, read_sound, read_video
from lipsync_ray.media.kept_samples import layout_of
from lipsync_ray.restoration.one_file import check_languages
from lipsync_ray.settings import Workers

_READERS = 16
_PART = re.compile(
    r"(.+)-(\d+)-(\d+)\.(?:mp4|mov|mkv)"
)  # its dub and fingerprint, its first frame, and the one after its last

Found = TypeVar("Found")


@dataclass(frozen=True)
class Prices:
    """Of machines, an hour; None where nobody says."""

    cpu: float | None = None
    gpu: float | None = None


@dataclass(frozen=True)
class Load:
    """Work of a stage: frames, and its share of them in CPU and GPU seconds."""

    frames: int = 0
    cpu: float = 0.0
    gpu: float = 0.0


@dataclass
class Quote:
    """A plan of a run.

    Attributes
    ----------
    dubs, before : rows of the table; of these, finished by an earlier run
    pools : (stage, its processes)
    rates : that it is estimated by
    unreadable : (id, reason) of rows whose files cannot be used
    videos, fresh : distinct videos of what is left to do; of these, whose faces have to be found first
    source_s : seconds of those
    output_s, frames, segments : of what is left to make; whole segments of an earlier run are not counted
    loads : stage → its work
    seconds : estimated duration; None without rates
    cost : of the machines meanwhile; None without a price
    one_files : files with all languages of a video, of --one-file
    bytes : of the frames that are left to make; None where the rates do not tell
    unmeasured : outputs, as "hevc, 10 bits", that the rates do not know, or not at this preset: they are counted as what was measured
    """

    dubs: int
    before: int
    pools: tuple[tuple[str, Pool], ...]
    rates: Rates | None = None
    unreadable: tuple[tuple[str, str], ...] = ()
    videos: int = 0
    fresh: int = 0
    source_s: float = 0.0
    output_s: float = 0.0
    frames: int = 0
    segments: int = 0
    loads: dict[str, Load] = field(default_factory=dict)
    seconds: float | None = None
    cost: float | None = None
    one_files: int = 0
    bytes: float | None = None
    unmeasured: tuple[str, ...] = ()


def quote(
    dubs: Sequence[Dub],
    recipe: Recipe,
    workers: Workers,
    out: str,
    cluster: Cluster,
    rates: Rates | None = None,
    prices: Prices | None = None,
    redo: str | None = None,
) -> Quote:
    """Plan the dubs of a checked manifest.

    Parameters
    ----------
    out : the run's folder; it need not be there
    cluster : that will do it
    rates : of the recipe's way to work; without them no time is estimated
    prices : without them no cost is
    redo : URL of a review, or of an evaluation's folder, which says what is made anew

    Raises
    ------
    SettingsError : options that this cluster cannot meet, rows that the model cannot dub
    ManifestError : a file of lines, of who speaks when, or the review, has problems
    """
    one_files = check_languages(dubs) if recipe.settings.one_file else 0
    recipe.method.check_rows(dubs, recipe.generator)
    given = given_turns(dubs)
    reviews = reviews_of(out, dubs, redo)
    as_they_are = reviews.kept([dub.id for dub in dubs], DUB.name)
    asked, dubs = len(dubs), [dub for dub in dubs if dub.id not in as_they_are]
    layout = recipe.layout(cluster, workers)
    cues = given_cues(dubs)
    files = {dub.id: sound_files(dub, cues.get(dub.id, ())) for dub in dubs}
    ids = content_ids(url for dub in dubs for url in (dub.video, *files[dub.id]))
    settings = recipe.settings
    headers = _read_each(
        {dub.video for dub in dubs}, lambda url: read_video(url, settings.still_rate, settings.deinterlace)
    )
    sounds = _read_each({url for urls in files.values() for url in urls}, read_sound)
    readable: list[tuple[Dub, Keys, Header, Fraction]] = []
    unreadable: list[tuple[str, str]] = []
    for dub in dubs:
        own, header = files[dub.id], headers[dub.video]
        found = (ids[dub.video], *(ids[url] for url in own), header, *(sounds[url] for url in own))
        reason = next((str(one) for one in found if isinstance(one, Exception)), None)
        if reason is not None:
            unreadable.append((dub.id, addresses.without_secrets(reason)))
        elif isinstance(header, Header):
            lines = cues.get(dub.id, ())
            keys = keys_of(recipe, dub, lines, {url: str(ids[url]) for url in (dub.video, *own)}, given.get(dub.id))
            keys = replace(keys, fingerprint=reviews.fingerprint(dub.id, keys.fingerprint))
            lasts = [one for url in own if isinstance(one := sounds[url], Fraction)]
            readable.append((dub, keys, header, _lasts_s(header, lines, max(lasts))))
    prints = {dub.id: keys.fingerprint for dub, keys, _, _ in readable}
    kept = RESULTS.kept(out, prints, has_output(out, ["videos"]), DUB.name)
    plan = Quote(
        asked, len(as_they_are) + len(kept), recipe.pools(layout), rates, tuple(unreadable), one_files=one_files
    )
    work = _Work(plan, recipe, [stage.name for stage in recipe.method.stages(layout)], workers.segment_s, out)
    for dub, keys, header, sound_s in readable:
        if dub.id not in kept:
            work.add(dub, keys, header, sound_s)
    plan.bytes, plan.unmeasured = work.bytes if rates is not None else None, tuple(sorted(work.unmeasured))
    if rates is not None and plan.loads:
        gpus = layout.model.workers * min(1.0, sum(pool.gpus for _, pool in plan.pools))
        cpu, gpu = (sum(getattr(load, name) for load in plan.loads.values()) for name in ("cpu", "gpu"))
        seconds = rates.seconds(cpu, gpu, cluster.cpus, gpus if recipe.device == "cuda" else 0.0)
        plan.seconds = max(seconds, rates.start_s + work.longest_s)
        plan.cost = _cost(plan.seconds, cluster, prices)
    return plan


def _lasts_s(header: Header, lines: Cues, sound_s: Fraction) -> Fraction:
    """Seconds that a dub's sound has: of lines, those of the video, or of all lines of a picture.

    Parameters
    ----------
    sound_s : of its longest file
    """
    if not lines:
        return sound_s
    return max(cue.end_s for cue in lines) if header.still else header.frames / header.rate


class _Work:
    """Adds what is left to do to a plan."""

    def __init__(self, plan: Quote, recipe: Recipe, stages: Sequence[str], segment_s: float | None, out: str) -> None:
        self._plan, self._recipe, self._stages, self._segment_s, self._out = plan, recipe, stages, segment_s, out
        self.longest_s = 0.0  # of what one worker alone does
        self.bytes: float | None = 0.0  # of the videos; None where they are not known
        self.unmeasured: set[str] = set()
        self._videos: set[str] = set()
        self._tables = storage.list_names(storage.join(out, "faces"))
        self._there: dict[tuple[str, ...], set[str]] = {}  # folder → names in it
        self._parts: Counter[str] = Counter()  # folder and fingerprint → frames that are committed
        self._part_counts: Counter[str] = Counter()
        for name in storage.list_tree(storage.join(out, "parts")):
            if part := _PART.fullmatch(name):
                self._parts[part[1]] += int(part[3]) - int(part[2])
                self._part_counts[part[1]] += 1

    def add(self, dub: Dub, keys: Keys, header: Header, sound_s: Fraction) -> None:
        """Add one dub that is not done."""
        plan, rate = self._plan, float(header.rate)
        video = key_of_pictures(keys.video, header)
        if video not in self._videos:
            self._videos.add(video)
            plan.videos += 1
            if table_name(dub.video, video) not in self._tables:
                plan.fresh += 1
                plan.source_s += header.frames / rate
                self._load(face_pass.STAGE, header.frames, header)
        frames = output_frames(header, sound_s, self._recipe.settings.length)
        self._prepare(video, keys.audio, frames, header)
        parts = ranges(self._recipe, self._segment_s, frames, header.rate)
        made = f"{dub.id}/{key_of_pictures(keys.fingerprint, header)}"
        left = max(0, frames - self._parts[made])
        plan.segments += max(0, len(parts) - self._part_counts[made])
        plan.frames += left
        plan.output_s += left / rate
        for stage in self._stages:
            self._load(stage, left, header)
        if plan.rates is not None and left:
            each = plan.rates.frame_bytes(self._recipe.settings.coding, self._kind(header))
            written = None if each is None else each.cpu(left, self._recipe.megapixels(header.megapixels))
            self.bytes = None if written is None or self.bytes is None else self.bytes + written

    def _kind(self, header: Header) -> Kind:
        """What kind of pictures a dub's output has; a head that is alone in its picture has no samples of the source in it."""
        return "8 bits" if self._recipe.method.side else kind_of(header, self._recipe.settings.coding)

    def _prepare(self, video: str, audio: str, frames: int, header: Header) -> None:
        """Add what is made once, before the dub is drawn."""
        wanted = self._recipe.method.prepared(video, audio, frames, header)
        if wanted.folder not in self._there:
            self._there[wanted.folder] = set(storage.list_names(storage.join(self._out, *wanted.folder)))
        if wanted.file in self._there[wanted.folder]:
            return
        self._there[wanted.folder].add(wanted.file)
        self._load(wanted.stage, wanted.frames, header)
        rate = self._plan.rates.stages.get(wanted.stage) if self._plan.rates else None
        if wanted.alone and rate is not None:
            self.longest_s = max(self.longest_s, max(rate.cpu(wanted.frames, 0), rate.gpu * wanted.frames))

    def _load(self, stage: str, frames: int, header: Header) -> None:
        rates, source = self._plan.rates, header.megapixels
        cpu = gpu = 0.0
        if rates is not None and (rate := rates.stages.get(stage)) is not None:
            made = self._recipe.megapixels(source) if stage == "compose" else source
            cpu, gpu = rate.cpu(frames, made), rate.gpu * frames
            decoded = rates.decode.get(header.codec, 0.0)
            if stage == "compose":
                coding, kind = self._recipe.settings.coding, self._kind(header)
                more = rates.coded(coding, kind)
                if more is None:
                    self.unmeasured.add(sort_of(codec_of(coding), kind))
                else:
                    cpu += more.cpu(frames, made)
            else:
                decoded += rates.decode.get(kind_of(header), 0.0)
            cpu += decoded * self._recipe.method.decodes.get(stage, 0) * source * frames
        before = self._plan.loads.get(stage, Load())
        self._plan.loads[stage] = Load(before.frames + frames, before.cpu + cpu, before.gpu + gpu)


def kind_of(header: Header, coding: VideoCoding | None = None) -> Kind:
    """What kind of pictures a source has, or an output of it with a codec."""
    if header.hdr:
        return "HDR"
    if not header.pixel_format or header.still:
        return "8 bits"
    depth, *steps = layout_of(header.pixel_format)
    finer = coding is not None and spec_of(coding).formats != (PLAIN,) and steps != [2, 2]
    return "10 bits" if depth > 8 or finer else "8 bits"


def _read_each(urls: set[str], read: Callable[[str], Found]) -> dict[str, Found | Exception]:
    """URL → what was read of the file, or why nothing was."""

    def guarded(url: str) -> Found | Exception:
        try:
            return read(url)
        except (LipsyncError, OSError, ValueError) as error:
            return error

    with ThreadPoolExecutor(_READERS) as pool:
        return dict(zip(urls, pool.map(guarded, urls), strict=True))


def _cost(seconds: float, cluster: Cluster, prices: Prices | None) -> float | None:
    if prices is None or (prices.cpu is None and prices.gpu is None):
        return None
    return seconds / 3600 * (cluster.cpus * (prices.cpu or 0) + cluster.gpus * (prices.gpu or 0))
