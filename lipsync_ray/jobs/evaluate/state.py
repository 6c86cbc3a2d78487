"""An evaluation under way, and its videos."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from rich.console import Console

from lipsync_ray.engine.job import JobRun, JobSpec
from lipsync_ray.engine.runners import Runner
from lipsync_ray.engine.stages import Failure
from lipsync_ray.engine.video_pass import VideoState
from lipsync_ray.inputs.audio_features import Speech
from lipsync_ray.jobs.evaluate.checks import faults_of
from lipsync_ray.jobs.evaluate.evaluation_input import EvaluationInput, consents
from lipsync_ray.jobs.evaluate.face_tracks import TrackIndex
from lipsync_ray.jobs.evaluate.judged import NO_SOUNDS, Sounds
from lipsync_ray.jobs.evaluate.sample import Sample
from lipsync_ray.jobs.evaluate.scores import SCORES, SCORES_VERSION, Score
from lipsync_ray.media.audio import SoundTrack
from lipsync_ray.media.probe import VideoInfo
from lipsync_ray.models.scorers import SCORERS
from lipsync_ray.models.weights import Checkpoint
from lipsync_ray.settings import EvaluateSettings, Workers

EVALUATE = JobSpec("evaluate", SCORES, done="scored", packages=("pytorch-fid",))


@dataclass
class EvaluateState(VideoState):
    """State of a video. Fields are filled in during the evaluation.

    Attributes
    ----------
    item : the input
    video_key, reference_key : of the distinct files; the latter is empty without a reference
    sound_key : of the sound that is scored
    voice_content : identity of the voice without its background; empty where the video's sound is scored
    content, reference_content : identities of the files, compared whenever they are opened
    info, reference, speech : probe results of video, reference and sound
    source : reference of a generated head, whose frames are not compared
    silent : why it has no usable sound
    reference_error : why it is not compared
    table : URL of its face table
    tracks_url, tracks : its face tracks
    windows : number per track
    sounds : input of the judges
    """

    item: EvaluationInput
    video_key: str = ""
    reference_key: str = ""
    sound_key: str = ""
    voice_content: str = ""
    content: str = ""
    reference_content: str = ""
    info: VideoInfo | None = None
    reference: VideoInfo | None = None
    source: VideoInfo | None = None
    speech: Speech | None = None
    silent: str = ""
    reference_error: str | None = None
    table: str | None = None
    tracks_url: str = ""
    tracks: TrackIndex | None = None
    windows: tuple[int, ...] = ()
    sounds: Sounds = NO_SOUNDS

    @property
    def id(self) -> str:
        return self.item.id

    @property
    def track(self) -> SoundTrack | None:
        """The sound that is scored; None without one."""
        if self.voice_content and self.info is not None:
            return SoundTrack(self.item.voice or "", content=self.voice_content)
        return track_of(self.info)


def track_of(video: VideoInfo | None) -> SoundTrack | None:
    """The sound of a video, from its first frame on; None without one."""
    if video is None or not video.has_audio:
        return None
    return SoundTrack(video.url, begin_s=video.origin_s, content=video.content)


class EvaluateRun(JobRun[EvaluateState, Score]):
    """One run of the evaluation job.

    Attributes
    ----------
    sample, items, settings : of the evaluation
    unlisted : scores of an earlier run, of rows that the source no longer has
    scorer, checkpoint : the scorer, and its weights
    fid_weights : Inception's; None without FID
    known : id → every readable video, also those an earlier run scored, for FID
    """

    def __init__(
        self,
        sample: Sample,
        settings: EvaluateSettings,
        workers: Workers,
        out: str,
        console: Console,
        runner: Runner,
        checkpoint: Checkpoint,
        fid_weights: Checkpoint | None,
    ) -> None:
        super().__init__(EVALUATE, [s.id for s in sample.items], settings.record(), workers, out, console, runner)
        self.sample, self.items, self.settings = sample, sample.items, settings
        self.unlisted: list[Score] = []
        self.scorer = SCORERS[settings.scorer]
        self.checkpoint, self.fid_weights = checkpoint, fid_weights
        self.known: dict[str, EvaluateState] = {}

    def more(self) -> Mapping[str, Any]:
        fid = self.fid_weights and self.fid_weights.record()
        return {
            "scores_version": SCORES_VERSION,
            "scorer_weights": self.checkpoint.record(),
            "fid_weights": fid,
            "consent": consents(self.items),
            "sample": self.sample.record(self.settings.rows),
        }

    @property
    def rows(self) -> list[Score]:
        """All rows in the order of the table, then those that the source no longer has.

        What a row stands for, and its faults, follow from the sample and from its metrics: also of a row that is kept.
        """
        weights = self.sample.weights
        rows = [*super().rows, *self.unlisted]
        return [replace(row, stands_for=weights.get(row.id), faults=faults_of(row)) for row in rows]

    def row_of(self, video: EvaluateState, status: Any, **values: Any) -> Score:
        item, info = video.item, video.info
        return Score(
            item.id,
            item.video,
            item.reference,
            item.language,
            item.model,
            status,
            scorer=self.settings.scorer,
            protocol=self.settings.protocol,
            reference_error=video.reference_error,
            frames=info.frames if info else None,
            rate=str(info.rate) if info else None,
            width=info.width if info else None,
            height=info.height if info else None,
            duration_s=float(info.duration_s) if info else None,
            seconds=round(video.seconds, 3),
            attempts=video.attempts,
            fingerprint=video.fingerprint,
            content=video.content or None,
            drawn_per_s=item.drawn_per_s,
            gpu_mb=item.gpu_mb,
            **values,
        )

    def fail(self, video: EvaluateState, failure: Failure) -> None:
        super().fail(video, failure)
        self.known.pop(video.id, None)
