"""The state of one enhancement: which videos are under way, what became of the others."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field, replace
from typing import Any

from rich.console import Console

from lipsync_ray.engine.attempts import Ledger
from lipsync_ray.engine.context import RunContext
from lipsync_ray.engine.runners import Engine
from lipsync_ray.engine.stages import Failure
from lipsync_ray.engine.video_pass import VideoState
from lipsync_ray.enhance.assemble import EnhancedOrder
from lipsync_ray.enhance.items import EnhanceInput
from lipsync_ray.io import results, storage
from lipsync_ray.io.results import Result, Summary
from lipsync_ray.media.probe import VideoInfo
from lipsync_ray.restoration import previews
from lipsync_ray.restoration.weights import Restoration
from lipsync_ray.settings import EnhanceSettings, Workers

__all__ = ["Enhancement", "State", "Summary"]


@dataclass
class State(VideoState):
    """A video under way.

    Attributes
    ----------
    item : what is enhanced
    fingerprint : of its files and the settings
    key : of the video's content, for its face table
    info : the video
    source : of which a dub's face table is
    table, chosen : whose faces; no table where every frame is looked at anew
    faceless, restored : frames without a face, and with one that was restored, of parts made in this run
    warnings : what a person should know of it, each once
    """

    item: EnhanceInput
    fingerprint: str
    key: str
    info: VideoInfo | None = None
    source: VideoInfo | None = None
    table: str | None = None
    chosen: tuple[int, ...] = ()
    faceless: int = 0
    restored: int = 0
    warnings: dict[str, None] = field(default_factory=dict)


class Enhancement:
    """One run of the enhance job; attributes as in the other jobs' runs."""

    def __init__(
        self,
        items: list[EnhanceInput],
        settings: EnhanceSettings,
        restoration: Restoration,
        workers: Workers,
        out: str,
        console: Console,
        engine: Engine,
        device: str,
    ) -> None:
        self.items, self.settings, self.restoration, self.out = items, settings, restoration, out
        self.device = device
        self.began = time.time()
        self.id = f"{int(self.began)}-{uuid.uuid4().hex[:6]}"
        self.crew = RunContext(engine, workers, console, Ledger(self.url("attempts", self.id), workers.attempts))
        self.going: dict[str, State] = {}
        self.results: dict[str, Result] = {}

    def url(self, *names: str) -> str:
        """A place in the run's folder."""
        return storage.join(self.out, *names)

    def order(self, state: State) -> EnhancedOrder:
        """The video to put together."""
        assert state.info is not None
        parts = tuple(sorted(state.parts.items()))
        place = ("images", f"{state.item.id}.png") if state.info.picture else ("videos", f"{state.item.id}.mp4")
        return EnhancedOrder(state.item.id, parts, state.info, self.url(*place), self.url(previews.FOLDER))

    def fail(self, state: State, failure: Failure) -> None:
        """End a video with a reason; a second one changes nothing."""
        if state.item.id not in self.going:
            return
        if failure.detail:
            self.crew.console.print(f"{state.item.id}: {failure.detail}", highlight=False, markup=False)
        self._end(state, status="failed", stage=failure.stage, error=failure.reason, output=None)

    def no_face(self, state: State) -> None:
        """End a video in which nobody is seen."""
        self._end(
            state, status="no_face", stage="detect", error="no face is seen in it; nothing was written", output=None
        )

    def done(self, state: State, output: str) -> None:
        """End a video that is made."""
        counts = {} if state.reused else {"faceless_frames": state.faceless, "restored_frames": state.restored}
        self._end(
            state, status="done", output=output, segments=len(state.parts), reused_segments=state.reused, **counts
        )

    def _end(self, state: State, **values: Any) -> None:
        info, row = state.info, state.item.row
        model = "+".join(filter(None, (row.model, self.restoration.name)))
        size = {} if info is None else {
            "frames": info.frames, "rate": str(info.rate), "duration_s": float(info.duration_s),
            "width": info.width * self.settings.upscale, "height": info.height * self.settings.upscale,
        }  # fmt: skip
        common: dict[str, Any] = {
            "model": model,
            "faceless_frames": None,
            "restored_frames": None,
            "seconds": round(state.seconds, 3),
            "attempts": state.attempts,
            "face_table": state.item.face_table or state.table,
            "fingerprint": state.fingerprint,
            "warnings": tuple(dict.fromkeys((*row.warnings, *(info.notes if info else ()), *state.warnings))),
        }
        self.end(replace(row, **(common | size | values)))

    def end(self, result: Result) -> None:
        """Record what became of a video."""
        results.record(self.out, result)
        self.results[result.id] = result
        self.going.pop(result.id, None)
