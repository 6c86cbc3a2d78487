"""Lip-sync models as the pipeline calls them: crops and windows of sound in, crops that say it out.

A network joins by an entry in :data:`GENERATORS` and its weights in :mod:`lipsync_ray.models.registry` (docs/add-a-model.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from lipsync_ray.errors import CheckpointError
from lipsync_ray.models import hear, weights
from lipsync_ray.models.batched import Batched
from lipsync_ray.models.checkpoint import compare, load_into, read_state
from lipsync_ray.models.mini import Mini, mini_for
from lipsync_ray.models.precision import dtype_of
from lipsync_ray.models.wav2lip import CROP, MEL_BANDS, MEL_STEP, Block, Wav2Lip
from lipsync_ray.settings import Precision, Reference

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]


class Generator(Protocol):
    """A loaded lip-sync network."""

    def __call__(self, crops: U8, audio: F32, /) -> U8:
        """Draw the mouths.

        Parameters
        ----------
        crops : (n, side, side, 3) uint8 BGR: the reference that its spec asks for
        audio : (n, bands, columns) float32: each frame's window of sound

        Returns
        -------
        (n, side, side, 3) uint8 BGR
        """

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of what was drawn."""


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
    silent_end : beyond the end of the sound is silence; else the last window there is, is heard again
    """

    front_end: Literal["mel", "mfcc"]
    columns_per_s: int
    columns: int
    shift: Fraction = Fraction(0)
    lead: int = 0
    silent_end: bool = False

    def first(self, frame: int, rate: Fraction) -> int:
        """First column that frame ``frame`` of a video at ``rate`` frames/s sees: ⌊columns/s · (frame + shift) / rate⌋ − lead.

        For 80 columns/s and shift 0 equal to what the published Wav2Lip computes at 24, 25, 30, 60, 24000/1001 and
        30000/1001 frames/s (golden file). May be negative; those columns are silence.
        """
        at = self.columns_per_s * (frame + self.shift) / rate
        return at.numerator // at.denominator - self.lead


@dataclass(frozen=True)
class GeneratorSpec:
    """A lip-sync model as it declares itself; the dub job makes its stages of this.

    Attributes
    ----------
    name : of the network
    signature : a state-dict entry that only this network has, by which a checkpoint is known
    build : makes the network that a checkpoint with these entries is of
    load : (checkpoint file, device, precision, batch) → the loaded model: a :class:`Generator` of faces, or of lip poses
        :class:`~lipsync_ray.models.hear.LipPoses`
    draws : "faces", square crops that are pasted; or "lips", poses that the frame's own pixels are moved to
    crop_side : pixels: side of the square that it is shown and draws
    audio : which sound it is drawn by
    reference : the frame of the person that it is shown where nobody says otherwise: "current", the one that is drawn anew,
        or that one with its mouth "closed"; None of one that is shown none
    closes : whether it closes the mouth in silence where nobody says otherwise
    cpu_batch, gpu_batch : frames a pass, where nobody asks for another number
    """

    name: str
    signature: str
    build: Callable[[dict[str, Tensor]], nn.Module]
    load: Callable[[Path, str, Precision, int | None], Any]
    crop_side: int
    audio: AudioWindow
    reference: Reference | None = "current"
    draws: Literal["faces", "lips"] = "faces"
    closes: bool = False
    cpu_batch: int = 16
    gpu_batch: int = 128

    def batch(self, asked: int | None, device: str) -> int:
        """Frames a pass: what was asked for, or the device's default."""
        return asked or (self.gpu_batch if device == "cuda" else self.cpu_batch)


def resolve(model: str, progress: weights.Progress | None = None, fetch: bool = True) -> weights.Checkpoint:
    """What `--model` says: a registered name, fetched where it must be and `fetch` says so, or a path.

    Raises
    ------
    WeightsError : not here, damaged, or neither a name nor a file
    """
    return weights.named_or_path("--model", model, "lips", progress, fetch)


def spec_of(checkpoint: weights.Checkpoint) -> GeneratorSpec:
    """The spec of a checkpoint. One that is registered has its entry's; another's file is read, and checked.

    Raises
    ------
    WeightsError, CheckpointError : a given file holds no known generator
    """
    registered = checkpoint.registered
    if registered is None:
        return verify(checkpoint.here())
    return next(spec for spec in GENERATORS if spec.name == registered.network)


def spec_of_state(state: dict[str, Tensor], source: str) -> GeneratorSpec:
    """The spec of the network whose checkpoint this is.

    Raises
    ------
    CheckpointError : none that is known
    """
    for spec in GENERATORS:
        if spec.signature in state:
            return spec
    raise CheckpointError(f"{source}: not a lip-sync generator's checkpoint (entries: {', '.join(list(state)[:3])} …)")


def verify(path: Path) -> GeneratorSpec:
    """Check that a file is the checkpoint of a known generator, entry by entry, without building one; which it is.

    Raises
    ------
    WeightsError, CheckpointError
    """
    state = read_state(path)
    with torch.device("meta"):
        spec = spec_of_state(state, str(path))
        compare(spec.build(state), state, str(path))
    return spec


class LipModel(Batched):
    """A loaded Wav2Lip, or the bundled network of its shape.

    Parameters
    ----------
    path : checkpoint
    device : "cpu", "cuda", …
    precision : "auto" is fp16 on a GPU, bf16 on a CPU that multiplies in it, else fp32
    batch : frames a pass; None for the device's default

    Raises
    ------
    WeightsError, CheckpointError
    """

    def __init__(self, path: Path, device: str, precision: Precision = "auto", batch: int | None = None) -> None:
        state = read_state(path)
        spec = spec_of_state(state, str(path))
        super().__init__(device, batch, spec.cpu_batch, spec.gpu_batch)
        network = spec.build(state)
        assert isinstance(network, Wav2Lip)
        load_into(network, state, str(path))
        self.dtype = dtype_of(precision, self.device)
        self.network = prepared(network, self.device, self.dtype)

    def __call__(self, crops: U8, mels: F32) -> U8:
        """Draw the mouths: (n, 96, 96, 3) uint8 BGR from crops of that shape and (n, 80, 16) float32 mels."""
        if crops.shape[1:] != (CROP, CROP, 3) or mels.shape[1:] != (MEL_BANDS, MEL_STEP) or len(crops) != len(mels):
            raise ValueError(
                f"expected (n, {CROP}, {CROP}, 3) and (n, {MEL_BANDS}, {MEL_STEP}); got {crops.shape = }, {mels.shape = }"
            )
        return self.with_oom_retry(lambda: self._run(crops, mels))

    def _run(self, crops: U8, mels: F32) -> U8:
        drawn = [self._pass(crops[chunk], mels[chunk]) for chunk in self.chunks(len(crops))]
        # One synchronisation at the end: until here a GPU has been given work without waiting for any.
        return np.concatenate([t.cpu().numpy() for t in drawn]) if drawn else crops.copy()

    @torch.inference_mode()
    def _pass(self, crops: U8, mels: F32) -> Tensor:
        count = len(crops)
        picture = self.upload(crops).permute(0, 3, 1, 2).to(self.dtype) / 255
        masked = picture.clone()
        masked[:, :, CROP // 2 :] = 0
        image = torch.cat((masked, picture), dim=1).contiguous(memory_format=torch.channels_last)
        mel = self.upload(mels)[:, None].to(self.dtype)
        drawn: Tensor = self.network(mel, image).float()
        levels = (drawn * 255).round().clamp(0, 255).to(torch.uint8)
        return levels.permute(0, 2, 3, 1)[:count].contiguous()


def prepared(network: Wav2Lip, device: torch.device, dtype: torch.dtype) -> Wav2Lip:
    """The network for inference: batch norm folded into the convolutions, channels last, in ``dtype``."""
    network.eval()
    for module in network.modules():
        if isinstance(module, Block):
            conv, norm = module.conv_block[0], module.conv_block[1]
            assert isinstance(conv, nn.Conv2d | nn.ConvTranspose2d)
            assert isinstance(norm, nn.BatchNorm2d)
            folded = fuse_conv_bn_eval(conv, norm, transpose=isinstance(conv, nn.ConvTranspose2d))
            module.conv_block = nn.Sequential(folded)
    network.to(device=device, dtype=dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if isinstance(network, Mini):
        for module in network.head_modules():
            module.float()
        network.grid, network.ramp = network.grid.float(), network.ramp.float()
    return network.requires_grad_(False)


def _wav2lip(
    name: str,
    signature: str,
    build: Callable[[dict[str, Tensor]], Wav2Lip],
    shift: int,
    reference: Reference = "current",
) -> GeneratorSpec:
    audio = AudioWindow("mel", 80, MEL_STEP, Fraction(shift))
    return GeneratorSpec(name, signature, build, LipModel, CROP, audio, reference)


def _warp() -> GeneratorSpec:
    # Trained on windows centred on the frame's own time.
    audio = AudioWindow("mel", 80, hear.COLUMNS, lead=hear.COLUMNS // 2, silent_end=True)
    load = _load_poses
    return GeneratorSpec(
        "warp",
        "directions",
        hear.listener_for,
        load,
        0,
        audio,
        None,
        draws="lips",
        closes=True,
        cpu_batch=64,
        gpu_batch=512,
    )


def _load_poses(path: Path, device: str, precision: Precision, batch: int | None) -> hear.LipPoses:
    return hear.LipPoses(path, device, batch)  # always in float32


# The shift is 0 as the published Wav2Lip infers, −1 as it was trained (``inference.py`` against ``wav2lip_train.py``).
# On one CPU core a batch of 16 has 0.9 of the speed of 32, and a segment's last batch wastes less.
GENERATORS = (
    _warp(),
    _wav2lip("mini", "flow.weight", mini_for, -1, "closed"),
    _wav2lip("wav2lip", "output_block.1.weight", lambda state: Wav2Lip(), 0),
)
