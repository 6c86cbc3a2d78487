"""A dub's head, sampled step by step: all of its frames together, on one worker, each step committed.

The windows of a step overlap, and the next step's lie elsewhere: what a frame becomes depends on every other one of its video, so a
video is not split here. Its latents are split afterwards, where they are decoded.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.compute import one_thread
from lipsync_ray.errors import ModelError
from lipsync_ray.faces.head import HeadCrop, head_of, portrait_of
from lipsync_ray.faces.table import read_table
from lipsync_ray.inputs.audio_features import Speech
from lipsync_ray.io import storage
from lipsync_ray.media import decode
from lipsync_ray.media.picture import YuvFrame
from lipsync_ray.media.probe import VideoInfo
from lipsync_ray.settings import HeadSettings, Precision

if TYPE_CHECKING:  # torch, which the driver does without
    from lipsync_ray.models.context_windows import Sampler
    from lipsync_ray.models.echomimic import Portrait
    from lipsync_ray.models.lip_sync import GeneratorSpec, Sampling
    from lipsync_ray.models.weights import Checkpoint

I64 = NDArray[np.int64]
F32 = NDArray[np.float32]

FOLDER = ("heads",)
CHANNELS = 4  # of a latent
SHRINKS = 8  # pixels a side of a latent
_PORTRAITS = 4  # that a worker holds: videos take turns
_HELD_COLUMNS = 30_000  # of sound that a worker holds: ten minutes, 230 MB


@dataclass(frozen=True)
class HeadLatents:
    """The latents of a video's frames: raw little-endian float32 (frames, 4, side / 8, side / 8), so that a worker reads just those
    of its segment."""

    url: str
    frames: int
    side: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one frame's."""
        return CHANNELS, self.side // SHRINKS, self.side // SHRINKS

    def read(self, start: int, stop: int) -> F32:
        """(stop − start, 4, side / 8, side / 8) float32 of frames [start, stop)."""
        one = int(np.prod(self.shape)) * 4
        data = storage.read_bytes(self.url, start * one, (stop - start) * one)
        return np.frombuffer(bytearray(data), "<f4").reshape(stop - start, *self.shape)  # torch wants to write there


@dataclass(frozen=True)
class HeadPlan:
    """What is sampled.

    Attributes
    ----------
    key : of its content, which names it
    video, table, chosen : whose head: the source, its face table, and the tracks of the face that speaks
    speech : what is said
    frames : of the output
    how : decided settings
    """

    key: str
    video: VideoInfo
    table: str
    chosen: tuple[int, ...]
    speech: Speech
    frames: int
    how: HeadSettings


@dataclass(frozen=True)
class StepRow:
    """A step of a head; number 0 looks at the portrait and begins the noise.

    Attributes
    ----------
    start, stop : how far the work is before and after it, in frames times steps
    before : where the step before it left the latents; None of the first
    url : where they go
    """

    key: str
    plan: HeadPlan
    number: int
    start: int
    stop: int
    before: str | None
    url: str

    @property
    def near(self) -> str:
        """Its worker knows the portrait."""
        return self.plan.key


@dataclass(frozen=True)
class Stepped:
    """A step that is committed: seconds that one pass of a window took, where that was measured; most memory of its GPU."""

    number: int
    pace_s: float | None = None
    gpu_mb: int | None = None


@lru_cache(maxsize=8)
def portrait_head(table: str, chosen: tuple[int, ...], video: VideoInfo) -> tuple[int, HeadCrop]:
    """Which frame of a source video is animated, and what of it.

    Raises
    ------
    ModelError : the face is in no frame
    """
    tracks = read_table(table)
    if (row := portrait_of(tracks, chosen)) is None:
        raise ModelError("no frame shows the face that is to speak")
    head = head_of(tracks.box[row], video.width, video.height, video.pixel_aspect)
    return int(tracks.frame[row]), head


@lru_cache(maxsize=2)
def portrait_frame(video: VideoInfo, table: str, chosen: tuple[int, ...]) -> tuple[int, YuvFrame, HeadCrop]:
    """The source frame that is animated: its number, its picture (not to be written into), and what of it.

    A worker composes many segments of one head.
    """
    number, head = portrait_head(table, chosen, video)
    return number, next(decode.pictures_at(video, [number])), head


class Animate:
    """Bring all latents of a head one step further. Keeps EchoMimic loaded, and the last portraits."""

    def __init__(self, generator: GeneratorSpec, checkpoint: Checkpoint, device: str, precision: Precision) -> None:
        one_thread()
        sampling: Sampling = generator.how
        self._window, self._sums = generator.audio, sampling.sums
        self._model = generator.load(checkpoint, device, precision, None)
        self._portraits: OrderedDict[str, Portrait] = OrderedDict()
        self._heard: tuple[str, F32] = "", np.zeros((0, 0), np.float32)

    def __call__(self, row: StepRow) -> Stepped:
        plan = row.plan
        if storage.exists(row.url):  # by a process that ended before it could say so; what it began with is gone
            return Stepped(row.number, gpu_mb=self._model.peak_mb)
        portrait = self._portrait(plan)
        pace = None
        if row.before is None:
            after = self._model.start(plan.frames, plan.how.side, plan.how.seed, plan.how.parity)
            pace = self._pace(plan, after, portrait)
        else:
            latents = HeadLatents(row.before, plan.frames, plan.how.side).read(0, plan.frames).transpose(1, 0, 2, 3)
            sampler = _sampler(plan.how, self._sums)
            after = self._model.step(
                np.ascontiguousarray(latents),
                row.number - 1,
                sampler,
                portrait,
                lambda frames: self._sound(plan, frames),
            )
        if not np.isfinite(after).all():
            raise ModelError(
                f"step {row.number} of {plan.how.steps} gives what is no number: too large for this arithmetic? Try --precision "
                "bf16 or fp32"
            )
        storage.commit_bytes(row.url, np.ascontiguousarray(after.transpose(1, 0, 2, 3), "<f4").tobytes())
        if row.before is not None:
            storage.remove(row.before if row.number < (plan.how.steps or 0) else storage.parent(row.before))
        return Stepped(row.number, pace, self._model.peak_mb)

    def _portrait(self, plan: HeadPlan) -> Portrait:
        if (known := self._portraits.get(plan.key)) is None:
            _, picture, head = portrait_frame(plan.video, plan.table, plan.chosen)
            side = plan.how.side
            known = self._model.portrait(head.cut_frame(picture, side), head.mask(picture.width, picture.height, side))
        self._portraits[plan.key] = known
        self._portraits.move_to_end(plan.key)
        if len(self._portraits) > _PORTRAITS:
            self._portraits.popitem(last=False)
        return known

    def _sound(self, plan: HeadPlan, frames: I64) -> F32:
        """(f, 10, bands) of a window's frames."""
        speech = plan.speech
        rows = self._window.rows(frames, plan.video.rate, speech.columns)
        if speech.columns > _HELD_COLUMNS:
            low = int(rows.min())
            return speech.read(low, int(rows.max()) + 1)[rows - low]
        if self._heard[0] != speech.features_url:
            self._heard = speech.features_url, speech.read(0, speech.columns)
        return self._heard[1][rows]

    def _pace(self, plan: HeadPlan, latents: F32, portrait: Portrait) -> float:
        """Seconds of one pass of a window; of the second one on a GPU, whose first one chooses its kernels."""
        few = np.arange(min(plan.frames, self._model.window), dtype=np.int64)
        heard = self._sound(plan, few)
        for _ in range(2 if self._model.device.type == "cuda" else 1):
            began = time.perf_counter()
            self._model.denoise_once(latents[:, few], heard, portrait)
        return time.perf_counter() - began


@lru_cache(maxsize=2)
def _sampler(how: HeadSettings, sums: bool) -> Sampler:
    from lipsync_ray.models.context_windows import Sampler

    assert how.steps is not None
    assert how.guidance is not None
    return Sampler(how.steps, how.guidance, ring=how.parity, summed=how.parity and sums and how.guidance <= 1)
