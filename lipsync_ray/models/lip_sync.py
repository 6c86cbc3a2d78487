"""Declares a lip-sync model: its inputs, sound window and companion networks. The dub job builds its stages from this."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from lipsync_ray.models.precision import Precision
from lipsync_ray.models.weights import Checkpoint, Progress
from lipsync_ray.settings import Reference

U8 = NDArray[np.uint8]
F16 = NDArray[np.float16]
F32 = NDArray[np.float32]
I64 = NDArray[np.int64]
FrontEnd = Literal["mel", "speech-mel", "mfcc", "whisper", "whisper-layers"]
Pauses = Literal["every", "long", "none"]
Build = Callable[[dict[str, Tensor], Path], nn.Module]


class Generator(Protocol):
    """A loaded lip-sync network."""

    def __call__(self, inputs: Any, audio: F32, /) -> U8:
        """Draw the mouths.

        Parameters
        ----------
        inputs : (n, side, side, 3) uint8 BGR reference frames as its spec requests; or, for a model with an
            :class:`Encoder`, (n, …) float16 encodings
        audio : (n, bands, columns) float32: each frame's window of audio features

        Returns
        -------
        (n, side, side, 3) uint8 BGR
        """

    @property
    def notes(self) -> tuple[str, ...]:
        """Warnings about the drawn pictures."""

    @property
    def peak_mb(self) -> int | None:
        """Peak GPU memory in MB; None on a CPU."""


class Encoder(Protocol):
    """Encodes faces for a model that takes no pictures; encodings are shared by all languages of a video."""

    def __call__(self, faces: U8, /) -> F16:
        """(n, …) float16 encodings of (n, side, side, 3) uint8 BGR."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Warnings about the encodings."""


@dataclass(frozen=True)
class AudioWindow:
    """The window of sound that a frame is drawn from.

    Attributes
    ----------
    front_end : kind of features (:mod:`lipsync_ray.inputs.audio_features`)
    columns_per_s : feature columns per second
    columns : columns per window
    shift : frames by which the window is moved later than its frame
    lead : columns of the window before the frame's time
    lead_frames : additional frames before it, each rounded up to whole columns
    silent_end : after the sound's end is silence; otherwise the last full window is repeated
    """

    front_end: FrontEnd
    columns_per_s: int
    columns: int
    shift: Fraction = Fraction(0)
    lead: int = 0
    lead_frames: int = 0
    silent_end: bool = False

    def rows(self, frames: I64, rate: Fraction, total: int) -> I64:
        """(n, columns) int64 column numbers of each frame's window, clipped to a sound of `total` columns.

        With 50 columns/s and a lead of 4, equal to the published EchoMimic at 24, 25, 29.97 and 30 frames/s.
        """
        firsts = np.array([self.first(frame, rate) for frame in frames.tolist()], np.int64)
        return np.asarray((firsts[:, None] + np.arange(self.columns)).clip(0, total - 1), np.int64)

    def first(self, frame: int, rate: Fraction) -> int:
        """First column of frame ``frame``'s window: ⌊columns/s · (frame + shift) / rate⌋ − lead.

        With 80 columns/s and shift 0, equal to the published Wav2Lip at 24, 25, 30, 60, 24000/1001 and 30000/1001
        frames/s (golden file); with 50 and a lead of two frames, to MuseTalk at 24, 25, 30 and 50. May be negative;
        those columns are silence.
        """
        at = self.columns_per_s * (frame + self.shift) / rate
        return math.floor(at) - self.lead - self.lead_frames * math.ceil(self.columns_per_s / rate)


def no_parts(checkpoint: Checkpoint, progress: Progress | None, fetch: bool) -> tuple[tuple[str, Checkpoint], ...]:
    """For a network without companions."""
    return ()


def no_network(*_: Any) -> Any:
    """For a model without a network."""


@dataclass(frozen=True)
class Sampling:
    """Settings of a model that samples a whole video from noise.

    Attributes
    ----------
    steps, guidance : defaults: those of its training
    decode : (checkpoint, device, precision, batch, truncated) → decoder of latents (n, 4, side / 8, side / 8) float32
        to pictures (n, side, side, 3) uint8 BGR
    sums : without guidance the published pipeline adds overlapping windows' predictions instead of averaging them
    rates : frames/s, least and most, for which its motion looks natural
    """

    steps: int
    guidance: float
    decode: Callable[[Checkpoint, str, Precision, int | None, bool], Any]
    sums: bool = False
    rates: tuple[int, int] = (20, 32)


@dataclass(frozen=True)
class Latents:
    """Settings of a model that takes encodings of a half-masked face.

    Attributes
    ----------
    encode : loads its :class:`Encoder`, like a generator's `load`
    margin : default margin of its box below the chin, in pixels
    blend : default blend mode if a face parser is available
    shifts : whether its box can be moved vertically instead of extended downwards
    """

    encode: Callable[[Checkpoint, str, Precision, int | None], Encoder]
    margin: int
    blend: Literal["jaw", "raw"]
    shifts: bool = False


@dataclass(frozen=True)
class GeneratorSpec:
    """Declaration of a lip-sync model.

    Attributes
    ----------
    name : of the network
    signature : a state-dict entry that only this network has and that identifies its checkpoints; empty without a
        network
    build : (entries of a checkpoint, its file) → the network, without weights
    load : (checkpoint, device, precision, batch) → the loaded model: a :class:`Generator`, or
        :class:`~lipsync_ray.models.lip_poses.LipPoses`
    method : drawing method of :mod:`lipsync_ray.jobs.dub.methods.registry`: "paste", "latent", "warp", "head", or
        another
            registered one
    how : settings of that method: :class:`Latents`, :class:`Sampling`
    crop_side : pixels: side of its input and output square
    audio : its window of sound
    reference : default reference frame: "current", the frame to redraw, or "closed", the same with a closed mouth; None
        for a model without a reference
    references : other references that can be selected
    pauses : default pauses in which the mouth closes: "every" one, "long" ones, "none"
    channels : input channels of its first convolution, if another network has the same entries
    parts : (checkpoint, progress, fetch) → (role, checkpoint) of its companion networks
    train_kind : kind of `lipsync-ray train` that trains it; empty if it cannot be trained here
    extra : name of the optional packages that it needs (``pip install 'lipsync-ray[extra]'``)
    cpu_batch, gpu_batch : default frames per batch
    """

    name: str
    method: str
    audio: AudioWindow
    signature: str = ""
    build: Build = no_network
    load: Callable[[Checkpoint, str, Precision, int | None], Any] = no_network
    how: Any = None
    crop_side: int = 0
    reference: Reference | None = "current"
    references: tuple[Reference, ...] = ()
    pauses: Pauses = "none"
    channels: int | None = None
    parts: Callable[[Checkpoint, Progress | None, bool], tuple[tuple[str, Checkpoint], ...]] = no_parts
    train_kind: str = ""
    extra: str = ""
    cpu_batch: int = 16
    gpu_batch: int = 128

    def is_of(self, state: dict[str, Tensor]) -> bool:
        """Whether a state dict looks like this network's, by its signature."""
        first = state.get("conv_in.weight")
        known = self.channels is None or (first is not None and first.shape[1] == self.channels)
        return bool(self.signature) and self.signature in state and known

    def batch(self, asked: int | None, device: str) -> int:
        """Frames per batch: the requested number, or the device's default."""
        return asked or (self.gpu_batch if device == "cuda" else self.cpu_batch)
