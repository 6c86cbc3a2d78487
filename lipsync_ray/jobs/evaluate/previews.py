"""Selects the videos that the report shows, and makes their previews.

A stage cuts small pictures of every video while it decodes it anyway (:mod:`lipsync_ray.jobs.evaluate.preview_frames`).
For the worst, the best and a seeded sample of videos they become a strip and a player; the others are dropped while the run
goes.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lipsync_ray.engine.progress import ProgressReporter
from lipsync_ray.engine.stages import Failure
from lipsync_ray.io import storage
from lipsync_ray.io.removal import remove_files
from lipsync_ray.jobs.evaluate.player import player, strip
from lipsync_ray.jobs.evaluate.preview_frames import PreviewFrames, cut_now, preview_folder
from lipsync_ray.jobs.evaluate.scores import Score
from lipsync_ray.media.probe import VideoInfo

if TYPE_CHECKING:
    from lipsync_ray.jobs.evaluate.state import EvaluateRun

FOLDER = "media"
_SEED = 0
_MANY = 64  # videos whose preview frames are dropped together: a listing and a removal, not two requests for each
Key = tuple[str, str | None]
"""Identifies a video over several evaluations: id and model."""


@dataclass(frozen=True)
class PreviewOrder:
    """Previews to make for one video: a strip of faces, a player, and for a restored one a copy of its run's strip.

    Attributes
    ----------
    key : id of the video
    video, reference : decoded if there are no preview frames
    tracks : URL of its face tracks
    preview_frames : folder of its preview frames
    strip, player, restored : URLs of the output files
    run_strip : URL of the restoration run's strip, which may not exist
    """

    key: str
    video: VideoInfo
    reference: VideoInfo | None
    tracks: str
    preview_frames: str
    strip: str
    player: str
    restored: str
    run_strip: str | None


def worst_first(scores: Iterable[Score]) -> list[Score]:
    """Scored videos by confidence, lowest first; then those without a score."""

    def key(score: Score) -> tuple[bool, float, str]:
        value = score.sync_c
        return value is None, value if value is not None else 0.0, score.id

    return sorted(scores, key=key)


def sample(keys: Iterable[Key], count: int) -> set[Key]:
    """A deterministic sample of the videos; it includes the samples of smaller counts."""
    ordered = sorted(keys, key=str)
    random.Random(_SEED).shuffle(ordered)
    return set(ordered[:count])


def previewed(scores: Sequence[Score], count: int | None) -> list[Score]:
    """The videos that a report shows: half of ``count`` the worst, a quarter the best, the rest a seeded sample.

    Parameters
    ----------
    scores : of all videos, of one evaluation or of several
    count : None for all

    Returns
    -------
    Worst first. If the three overlap, the next worst fill up.
    """
    ordered = worst_first(scores)
    if count is None or len(ordered) <= count:
        return ordered
    scored = [score for score in ordered if score.sync_c is not None]
    best = {_key(score) for score in scored[-(count // 4) :]} if count >= 4 else set()
    chosen = best | sample(map(_key, scores), count // 4)
    for score in ordered:
        if len(chosen) >= count:
            break
        chosen.add(_key(score))
    return [score for score in ordered if _key(score) in chosen]


def _key(score: Score) -> Key:
    return score.id, score.model


def strip_name(score: Score) -> str:
    """The file of a video's strip."""
    return f"{score.id}-{(score.fingerprint or '')[:12]}.jpg"


def player_name(score: Score) -> str:
    """The file of a video's player."""
    return f"{score.id}-{(score.fingerprint or '')[:12]}.webm"


def restored_name(score: Score) -> str:
    """The file of a restored video's strip of source, lip-synced and restored faces."""
    return f"{score.id}-{(score.fingerprint or '')[:12]}-restored.jpg"


class Previews:
    """The previews of one evaluation.

    Parameters
    ----------
    count : videos that get one; None for all
    """

    def __init__(self, run: EvaluateRun, count: int | None) -> None:
        self._run, self._count = run, count
        self._folder = run.url(FOLDER, "preview_frames")
        self._candidates: dict[str, Score] = {}
        self._unwanted: set[str] = set()  # ids whose preview frames are still there
        keys = ((item.id, item.model) for item in run.items)
        self._sample = {name for name, _ in sample(keys, count or 0)}

    @property
    def wanted(self) -> str | None:
        """Folder for preview frames; None without previews."""
        return None if self._count == 0 else self._folder

    def drop_unwanted(self, score: Score) -> None:
        """After a video was scored, drop the preview frames of videos that will certainly not be shown.

        A video that is neither among the worst nor among the best so far will not be among them at the end.
        """
        room = self._count
        if room is None or room == 0:
            return
        self._candidates[score.id] = score
        ordered = worst_first(self._candidates.values())
        scored = [one for one in ordered if one.sync_c is not None]
        keep = {one.id for one in (*ordered[:room], *scored[-room:])} | self._sample
        for name in self._candidates.keys() - keep:
            self._unwanted.add(name)
            del self._candidates[name]
        if len(self._unwanted) >= _MANY:
            there = storage.list_tree(self._folder)
            remove_files(storage.join(self._folder, path) for path in there if path.split("/")[0] in self._unwanted)
            self._unwanted.clear()

    def missing(self, scores: Iterable[Score]) -> set[str]:
        """Of these rows, the ids of selected videos that were scored and have no strip or no player."""
        there = storage.list_names(self._run.url(FOLDER))
        return {
            score.id
            for score in previewed(list(scores), self._count)
            if score.status == "scored" and not {strip_name(score), player_name(score)} <= there
        }

    @property
    def complete(self) -> bool:
        """Whether every selected video that was scored, and whose files are known, has its strip and player."""
        return not self.missing(self._run.rows) & self._run.known.keys()

    def finish(self) -> None:
        """Make the missing strips and players of the selected videos."""
        run = self._run
        there = storage.list_names(run.url(FOLDER))
        orders = []
        for score in previewed(run.rows, self._count):
            state = run.known.get(score.id)
            if state is None or state.info is None or state.tracks is None:
                continue
            if {strip_name(score), player_name(score)} <= there:
                continue
            urls = [run.url(FOLDER, name_of(score)) for name_of in (strip_name, player_name, restored_name)]
            preview_frames = preview_folder(self._folder, score.id)
            strip_url, player_url, restored_url = urls
            orders.append(
                PreviewOrder(
                    score.id,
                    state.info,
                    state.reference,
                    state.tracks_url,
                    preview_frames,
                    strip_url,
                    player_url,
                    restored_url,
                    state.item.strip,
                )
            )
        with ProgressReporter(run.context.console, "previews", len(orders), 0, "videos") as progress:
            for order, answer in run.context.map_tasks("preview", make_preview, orders):
                progress.advance(0, isinstance(answer, Failure))
                if isinstance(answer, Failure):
                    run.log(f"{order.key}: no pictures: {answer.reason}")
        storage.remove(self._folder)


def make_preview(order: PreviewOrder) -> str:
    """Make and commit a video's strip and player; return its id."""
    if order.run_strip is not None and storage.exists(order.run_strip):
        storage.copy(order.run_strip, order.restored)
    preview_frames = PreviewFrames.read(order.preview_frames, order.tracks)
    if preview_frames is None:
        preview_frames = cut_now(order.video, order.reference, order.tracks)
    storage.commit_bytes(order.strip, strip(preview_frames))
    storage.commit_bytes(order.player, player(preview_frames, order.video))
    return order.key
