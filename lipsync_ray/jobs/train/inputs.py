"""Clips of a training: all workers extract their features once; problems become warnings in their rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from rich.console import Console

from lipsync_ray.engine.job import JobRun, JobSpec
from lipsync_ray.engine.resources import allocate
from lipsync_ray.engine.runners import Runner
from lipsync_ray.engine.stages import Failure
from lipsync_ray.engine.video_pass import VideoState
from lipsync_ray.errors import SettingsError
from lipsync_ray.inputs.content_ids import content_ids
from lipsync_ray.io import storage
from lipsync_ray.jobs.train.clip_features import ExtractClipFeatures
from lipsync_ray.jobs.train.clips import CLIPS, Clip, ClipOrder, ClipRow
from lipsync_ray.jobs.train.corpus import Corpus, numbered, why_no_split
from lipsync_ray.jobs.train.settings import TrainSettings
from lipsync_ray.settings import Workers

CLIPS_VERSION = 5  # raise when the same clip gives other features
FEWEST_CLIPS = 8
TRAIN = JobSpec("train", CLIPS, noun="clips", done="processed")


@dataclass
class ClipState(VideoState):
    """State of a clip, and the identity of its file."""

    clip: Clip
    content: str = ""

    @property
    def id(self) -> str:
        return self.clip.id


class TrainRun(JobRun[ClipState, ClipRow]):
    """One run of the training job.

    Attributes
    ----------
    steps : of each network, after training
    result : measures of held-out people, after training
    """

    def __init__(
        self, clips: list[Clip], settings: TrainSettings, workers: Workers, out: str, console: Console, runner: Runner
    ) -> None:
        super().__init__(TRAIN, [clip.id for clip in clips], settings.record(), workers, out, console, runner)
        self.clips, self.settings = clips, settings
        self.steps: list[int] = []
        self.result: dict[str, Any] = {}

    def more(self) -> Mapping[str, Any]:
        return {"steps": self.steps, "result": self.result}

    def row_of(self, video: ClipState, status: Any, **values: Any) -> ClipRow:
        return ClipRow(
            video.id,
            video.clip.url,
            status,
            person=video.clip.person,
            seconds=round(video.seconds, 3),
            attempts=video.attempts,
            fingerprint=video.fingerprint,
            **values,
        )

    def features_url(self, fingerprint: str | None) -> str:
        """URL of a clip's features."""
        return self.url("clips", f"{fingerprint}.npz")


def check(clips: list[Clip], settings: TrainSettings) -> None:
    """Refuse clips that cannot be trained on, before any is processed.

    Raises
    ------
    SettingsError : too few, or nobody could be held out
    """
    if len(clips) < FEWEST_CLIPS:
        raise SettingsError(f"{len(clips)} clips: at least {FEWEST_CLIPS} are needed")
    people = [clip.person for clip in clips]
    if None not in people and (why := why_no_split(numbered(people), settings.held_out, named=True)):
        raise SettingsError(why)


def extract_features(run: TrainRun) -> list[ClipRow]:
    """Extract the features of clips that no earlier run has processed; return the rows of all usable ones.

    Raises
    ------
    SettingsError : too few of them
    """
    found = content_ids(clip.url for clip in run.clips)
    for clip in run.clips:
        state = run.active[clip.id] = ClipState(clip=clip)
        content = found[clip.url]
        if isinstance(content, Exception):
            run.fail(state, Failure("probe", f"{clip.url}: {content}"))
        else:
            state.content, state.fingerprint = content, storage.digest(CLIPS_VERSION, content)
    there = storage.list_names(run.url("clips"))
    run.keep(lambda row: row.status == "used" and f"{row.fingerprint}.npz" in there, lambda state: (state.clip.url,))
    for clip in run.clips:  # person and URL come from the current table
        if (row := run.ended.get(clip.id)) is not None:
            run.ended[clip.id] = replace(row, video=clip.url, person=clip.person)
    orders = [ClipOrder(s.id, s.clip, s.content, run.features_url(s.fingerprint)) for s in run.active.values()]
    pool = allocate(run.context.cluster, run.workers, alone=True).model
    stages = [pool.stage("clip features", partial(ExtractClipFeatures, "cuda" if pool.gpus else "cpu"))]
    for order, outcome in run.context.run_rows("clips", "clips", orders, stages, lambda order: 0):
        state = run.active[order.key]
        state.seconds, state.attempts = sum(outcome.seconds.values()), outcome.attempts
        if outcome.failure is None:
            frames, rate, warnings = outcome.value
            run.end(run.row_of(state, "used", frames=frames, rate=rate, warnings=warnings))
        else:
            run.fail(state, outcome.failure)
    used = [row for row in run.rows if row.status == "used"]
    if len(used) < FEWEST_CLIPS:
        reasons = sorted({row.error or "" for row in run.rows if row.status != "used"})
        raise SettingsError(
            f"{len(used)} of {len(run.clips)} clips are usable, and {FEWEST_CLIPS} are needed: {'; '.join(reasons[:3])}"
        )
    return used


def settle(run: TrainRun, used: list[ClipRow], corpus: Corpus) -> list[ClipRow]:
    """Add person, held-out flag and warnings about copies to the rows of usable clips; return the rows.

    Parameters
    ----------
    corpus : of these clips, in their order
    """
    rows = [
        replace(row, person=row.person or str(number), held_out=held_out)
        for row, number, held_out in zip(used, corpus.person.tolist(), corpus.held_out.tolist(), strict=True)
    ]
    contents = [corpus.content(clip) for clip in range(len(rows))]
    alike: dict[str, list[ClipRow]] = defaultdict(list)
    for row, content in zip(rows, contents, strict=True):
        alike[content].append(row)
    rows = [
        replace(row, warnings=(*row.warnings, *_copies(row, alike[content])))
        for row, content in zip(rows, contents, strict=True)
    ]
    run.ended |= {row.id: row for row in rows}
    return rows


def _copies(row: ClipRow, same: list[ClipRow]) -> list[str]:
    """The warning of a clip with copies."""
    others = [other.id for other in same if other.id != row.id]
    if not others:
        return []
    named = ", ".join(others[:3]) + (" …" if len(others) > 3 else "")
    if len({other.held_out for other in same}) > 1:
        return [f"the same clip as {named}, under another person: the held-out clip is also trained on"]
    return [f"the same clip as {named}: it counts {len(same)} times"]
