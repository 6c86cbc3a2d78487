"""Lip-sync models as the pipeline calls them: crops and mel windows in, crops that say it out.

A network joins by an entry in :data:`ARCHITECTURES`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from lipsync_ray.errors import CheckpointError
from lipsync_ray.models import weights
from lipsync_ray.models.batched import Batched
from lipsync_ray.models.checkpoint import compare, load_into, read_state
from lipsync_ray.models.mini import Mini
from lipsync_ray.models.precision import dtype_of
from lipsync_ray.models.wav2lip import CROP, MEL_BANDS, MEL_STEP, Block, Wav2Lip
from lipsync_ray.settings import Precision

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]

CPU_BATCH = 16  # 0.9 of the speed of 32 on one core, and a segment's last batch wastes less
GPU_BATCH = 128


@dataclass(frozen=True)
class Architecture:
    """A network and what the pipeline must know to feed it.

    Attributes
    ----------
    build : makes the network
    signature : a state-dict entry that only this network has
    mel_shift : frames by which its mel window lies after the frame it draws: 0 as the published Wav2Lip infers,
        −1 as it was trained (``inference.py`` against ``wav2lip_train.py``)
    """

    build: Callable[[], Wav2Lip]
    signature: str
    mel_shift: Fraction


ARCHITECTURES = (
    Architecture(Mini, "flow.weight", Fraction(-1)),
    Architecture(Wav2Lip, "output_block.1.weight", Fraction(0)),
)


def resolve(model: str, progress: weights.Progress | None = None) -> weights.Checkpoint:
    """What `--model` says: a registered name, fetched where it must be, or a path.

    Raises
    ------
    WeightsError : not here, damaged, or neither a name nor a file
    CheckpointError : a given file holds no known generator
    """
    checkpoint = weights.named_or_path("--model", model, "lips", progress)
    if checkpoint.registered is None:
        verify(checkpoint.here())
    return checkpoint


def batch_of(asked: int | None, device: str) -> int:
    """Frames a pass: what was asked for, or the device's default."""
    return asked or (GPU_BATCH if device == "cuda" else CPU_BATCH)


def architecture_of(state: dict[str, Tensor], source: str) -> Architecture:
    """The network whose checkpoint this is.

    Raises
    ------
    CheckpointError : none that is known
    """
    for architecture in ARCHITECTURES:
        if architecture.signature in state:
            return architecture
    raise CheckpointError(f"{source}: not a lip-sync generator's checkpoint (entries: {', '.join(list(state)[:3])} …)")


def verify(path: Path) -> None:
    """Check that a file is the checkpoint of a known generator, entry by entry, without building one.

    Raises
    ------
    WeightsError, CheckpointError
    """
    state = read_state(path)
    with torch.device("meta"):
        network = architecture_of(state, str(path)).build()
    compare(network, state, str(path))


class LipModel(Batched):
    """A loaded generator.

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
        super().__init__(device, batch, CPU_BATCH, GPU_BATCH)
        state = read_state(path)
        architecture = architecture_of(state, str(path))
        network = architecture.build()
        load_into(network, state, str(path))
        self.mel_shift, self.mel_step = architecture.mel_shift, MEL_STEP
        self.dtype = dtype_of(precision, self.device)
        self.network = prepared(network, self.device, self.dtype)

    def __call__(self, crops: U8, mels: F32) -> U8:
        """Draw the mouths.

        Parameters
        ----------
        crops : (n, 96, 96, 3) uint8 BGR
        mels : (n, 80, 16) float32

        Returns
        -------
        (n, 96, 96, 3) uint8 BGR
        """
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
