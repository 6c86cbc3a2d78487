"""What a lip-sync model says of itself: what it is shown, what it hears, what it works with. The dub job makes its stages of this."""

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

    def __call__(self, shown: Any, audio: F32, /) -> U8:
        """Draw the mouths.

        Parameters
        ----------
        shown : (n, side, side, 3) uint8 BGR: the reference that its spec asks for; or, of a model that is shown encodings,
            (n, …) float16 of its :class:`Encoder`
        audio : (n, bands, columns) float32: each frame's window of sound

        Returns
        -------
        (n, side, side, 3) uint8 BGR
        """

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of what was drawn."""

    @property
    def peak_mb(self) -> int | None:
        """Most memory that it has had of a GPU, in MB; None on a CPU."""


class Encoder(Protocol):
    """What a model is shown of a face, where that is no picture: made once for all languages of a video."""

    def __call__(self, faces: U8, /) -> F16:
        """(n, …) float16 of (n, side, side, 3) uint8 BGR."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of them."""


@dataclass(frozen=True)
class AudioWindow:
    """The sound that a frame is drawn by.

    Attributes
    ----------
    front_end : features of :mod:`lipsync_ray.inputs.audio_features`
    columns_per_s : of these features
    columns : of one window
    shift : frames by which the window lies after the frame that it is drawn for
    lead : columns of the window that lie before that
    lead_frames : frames, each rounded up to whole columns, that lie before it besides
    silent_end : beyond the end of the sound is silence; else the last window there is, is heard again
    """

    front_end: FrontEnd
    columns_per_s: int
    columns: int
    shift: Fraction = Fraction(0)
    lead: int = 0
    lead_frames: int = 0
    silent_end: bool = False

    def rows(self, frames: I64, rate: Fraction, total: int) -> I64:
        """(n, columns) int64 the columns of each frame's window, where the ends of a sound of `total` columns are held.

        For 50 columns/s and a lead of 4 equal to what the published EchoMimic takes at 24, 25, 29.97 and 30 frames/s.
        """
        firsts = np.array([self.first(frame, rate) for frame in frames.tolist()], np.int64)
        return np.asarray((firsts[:, None] + np.arange(self.columns)).clip(0, total - 1), np.int64)

    def first(self, frame: int, rate: Fraction) -> int:
        """First column that frame ``frame`` of a video at ``rate`` frames/s sees: ⌊columns/s · (frame + shift) / rate⌋ − lead.

        For 80 columns/s and shift 0 equal to what the published Wav2Lip computes at 24, 25, 30, 60, 24000/1001 and
        30000/1001 frames/s (golden file), for 50 and a lead of two frames to MuseTalk's at 24, 25, 30 and 50. May be
        negative; those columns are silence.
        """
        at = self.columns_per_s * (frame + self.shift) / rate
        return math.floor(at) - self.lead - self.lead_frames * math.ceil(self.columns_per_s / rate)


def alone(checkpoint: Checkpoint, progress: Progress | None, fetch: bool) -> tuple[tuple[str, Checkpoint], ...]:
    """The parts of a network that works with no other."""
    return ()


def nothing(*_: Any) -> Any:
    """What is built and loaded of a model without a network."""


@dataclass(frozen=True)
class Sampling:
    """How a model draws that samples a whole video from noise.

    Attributes
    ----------
    steps, guidance : that it was taught, where nobody says otherwise
    decode : (checkpoint, device, precision, batch, truncated) → what makes pictures (n, side, side, 3) uint8 BGR of latents
        (n, 4, side / 8, side / 8) float32
    sums : the published pipeline adds up what overlapping windows say where there is no guidance, instead of averaging it
    rates : frames/s, the least and the most, that its motion suits
    """

    steps: int
    guidance: float
    decode: Callable[[Checkpoint, str, Precision, int | None, bool], Any]
    sums: bool = False
    rates: tuple[int, int] = (20, 32)


@dataclass(frozen=True)
class Latents:
    """How a model draws that is shown what another network makes of half a face.

    Attributes
    ----------
    encode : loads its :class:`Encoder`, as a generator's `load` does
    margin : pixels below the chin that its box takes in where nobody says otherwise
    blend : how its faces go back into the frame where nobody says otherwise, and a face parser is here
    shifts : its box can be moved up and down instead of further down
    """

    encode: Callable[[Checkpoint, str, Precision, int | None], Encoder]
    margin: int
    blend: Literal["jaw", "raw"]
    shifts: bool = False


@dataclass(frozen=True)
class GeneratorSpec:
    """A lip-sync model as it declares itself.

    Attributes
    ----------
    name : of the network
    signature : a state-dict entry that only this network has, by which a checkpoint is known; empty of one without a network
    build : (entries of a checkpoint, its file) → the network that it is of, without its numbers
    load : (checkpoint, device, precision, batch) → the loaded model: a :class:`Generator` of faces, or of lip poses
        :class:`~lipsync_ray.models.lip_poses.LipPoses`
    method : the way in which it draws, of :mod:`lipsync_ray.jobs.dub.methods.registry`: "paste", "latent", "warp", "head", or another
        that was registered
    how : what that method has to know besides: :class:`Latents`, :class:`Sampling`
    crop_side : pixels: side of the square that it is shown and draws
    audio : which sound it is drawn by
    reference : the frame of the person that it is shown where nobody says otherwise: "current", the one that is drawn anew,
        or that one with its mouth "closed"; None of one that is shown none
    references : what else it can be shown
    pauses : in which stretches without a voice the mouth closes where nobody says otherwise: "every" one, "long" ones, "none"
    channels : that its first convolution takes, where another network has the same entries
    parts : (checkpoint, progress, fetch) → (role, checkpoint) of the other networks that it works with
    taught_by : the kind of `lipsync-ray train` that teaches it; empty of one that is not taught here
    extra : name of the optional packages that it needs
    cpu_batch, gpu_batch : frames a pass, where nobody asks for another number
    """

    name: str
    method: str
    audio: AudioWindow
    signature: str = ""
    build: Build = nothing
    load: Callable[[Checkpoint, str, Precision, int | None], Any] = nothing
    how: Any = None
    crop_side: int = 0
    reference: Reference | None = "current"
    references: tuple[Reference, ...] = ()
    pauses: Pauses = "none"
    channels: int | None = None
    parts: Callable[[Checkpoint, Progress | None, bool], tuple[tuple[str, Checkpoint], ...]] = alone
    taught_by: str = ""
    extra: str = ""
    cpu_batch: int = 16
    gpu_batch: int = 128

    def is_of(self, state: dict[str, Tensor]) -> bool:
        """Whether a checkpoint's entries are this network's, as far as a glance tells."""
        first = state.get("conv_in.weight")
        known = self.channels is None or (first is not None and first.shape[1] == self.channels)
        return bool(self.signature) and self.signature in state and known

    def batch(self, asked: int | None, device: str) -> int:
        """Frames a pass: what was asked for, or the device's default."""
        return asked or (self.gpu_batch if device == "cuda" else self.cpu_batch)
