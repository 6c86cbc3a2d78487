"""The state of one evaluation: which videos are under way, what became of the others."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from lipsync_ray.engine.attempts import Ledger
from lipsync_ray.engine.context import RunContext
from lipsync_ray.engine.runners import Engine
from lipsync_ray.engine.stages import Failure
from lipsync_ray.engine.video_pass import VideoState
from lipsync_ray.evaluate import scores
from lipsync_ray.evaluate.assemble import VideoMetrics
from lipsync_ray.evaluate.face_tracks import TrackIndex
from lipsync_ray.evaluate.scores import Score
from lipsync_ray.evaluate.subjects import Subject
from lipsync_ray.inputs.audio_features import Speech
from lipsync_ray.io import storage
from lipsync_ray.media.probe import VideoInfo
from lipsync_ray.models.scorers import SCORERS, Scorer
from lipsync_ray.settings import EvaluateSettings, Workers


@dataclass
class State(VideoState):
    """A video under way. Fields are filled in as the evaluation gets to know them.

    Attributes
    ----------
    subject : what is scored
    fingerprint : of its files and the settings
    video_key, reference_key : of the distinct files; the latter empty where there is no reference
    info, reference, speech : what was found in them
    silent : why it has no usable sound
    reference_error : why it is not compared
    table : its face table
    geometry, laid : where its faces are
    windows : of each track
    """

    subject: Subject
    fingerprint: str
    video_key: str
    reference_key: str = ""
    info: VideoInfo | None = None
    reference: VideoInfo | None = None
    speech: Speech | None = None
    silent: str = ""
    reference_error: str | None = None
    table: str | None = None
    geometry: str = ""
    laid: TrackIndex | None = None
    windows: tuple[int, ...] = ()


class Evaluation:
    """One run of the evaluation job.

    Attributes
    ----------
    subjects, settings : what was asked for
    out : its folder
    scorer, scorer_digest : whose numbers, and the sha256 of its weights
    crew : who does the work
    going : id → video that has not ended
    scores : id → what was said of one that has
    known : id → every video that could be looked at, also those an earlier run scored: FID is over all of them
    """

    def __init__(
        self,
        subjects: list[Subject],
        settings: EvaluateSettings,
        workers: Workers,
        out: str,
        console: Console,
        engine: Engine,
        scorer_digest: str,
    ) -> None:
        self.scorer_digest = scorer_digest
        self.subjects, self.settings, self.out = subjects, settings, out
        self.scorer: Scorer = SCORERS[settings.scorer]
        self.began = time.time()
        self.id = f"{int(self.began)}-{uuid.uuid4().hex[:6]}"
        self.crew = RunContext(engine, workers, console, Ledger(self.url("attempts", self.id), workers.attempts))
        self.going: dict[str, State] = {}
        self.known: dict[str, State] = {}
        self.scores: dict[str, Score] = {}

    def url(self, *names: str) -> str:
        """A place in the evaluation's folder."""
        return storage.join(self.out, *names)

    def fail(self, state: State, failure: Failure) -> None:
        """End a video with a reason; a second reason for the same one changes nothing."""
        if state.subject.id not in self.going:
            return
        if failure.detail:
            self.crew.console.print(f"{state.subject.id}: {failure.detail}", highlight=False, markup=False)
        self.end(self.score_of(state, "failed", stage=failure.stage, error=failure.reason))
        self.known.pop(state.subject.id, None)

    def score_of(self, state: State, status: scores.Status, **values: Any) -> Score:
        """A score with what is known of its video."""
        subject, info = state.subject, state.info
        return Score(
            subject.id,
            subject.video,
            subject.reference,
            subject.language,
            subject.model,
            status,
            scorer=self.settings.scorer,
            protocol=self.settings.protocol,
            reference_error=state.reference_error,
            frames=info.frames if info else None,
            rate=str(info.rate) if info else None,
            width=info.width if info else None,
            height=info.height if info else None,
            duration_s=float(info.duration_s) if info else None,
            seconds=round(state.seconds, 3),
            attempts=state.attempts,
            fingerprint=state.fingerprint,
            **values,
        )

    def judged(self, state: State, judged: VideoMetrics) -> None:
        """End a video whose numbers are there."""
        mean_d, mean_c = (
            sum(getattr(track, name) for track in judged.tracks) / len(judged.tracks) if judged.tracks else None
            for name in ("distance", "confidence")
        )
        best = max(judged.tracks, key=lambda track: track.confidence, default=None)
        names = ("lse_d", "lse_c") if self.settings.scorer == "syncnet" else ("mini_sync_d", "mini_sync_c")
        values: dict[str, Any] = dict(zip(names, (mean_d, mean_c), strict=True))
        for name in ("psnr_db", "ssim", "sharpness", "sharpness_reference", "jitter", "jitter_reference"):
            values[name] = getattr(judged, name)
        reason = None if judged.tracks else self.why_unscored(state)
        self.end(
            self.score_of(
                state,
                "scored" if judged.tracks else "not_scored",
                stage=None if judged.tracks else "score",
                error=reason,
                offset=judged.offset,
                tracks=len(judged.tracks),
                windows=sum(track.windows for track in judged.tracks),
                best_distance=best.distance if best else None,
                best_confidence=best.confidence if best else None,
                compared_frames=judged.compared_frames or None,
                curve=list(judged.curve),
                confidence=list(judged.confidence),
                confidence_start_s=judged.confidence_start_s,
                track_scores=list(judged.tracks),
                **values,
            )
        )

    def why_unscored(self, state: State) -> str:
        """Why none of a video's windows was scored."""
        assert state.laid is not None
        reasons = "; ".join(filter(None, (state.laid.reason, state.silent)))
        return reasons or "too short: its tracks and its sound give not one window of 5 frames"

    def end(self, score: Score) -> None:
        """Record what was said of a video; from here on an evaluation that starts anew knows it."""
        scores.record(self.out, score)
        self.scores[score.id] = score
        self.going.pop(score.id, None)
