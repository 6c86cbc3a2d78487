"""Registers lip-sync models and loads their checkpoints.

A network of this package needs an entry in :data:`GENERATORS` and weights in :mod:`lipsync_ray.models.registry`; others
are added by :func:`lipsync_ray.jobs.dub.methods.registry.register` (docs/add-a-model.md).
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from lipsync_ray.errors import CheckpointError
from lipsync_ray.models import (
    closures,
    echomimic,
    echomimic_files,
    extras,
    lip_poses,
    musetalk,
    musetalk_files,
    weights,
)
from lipsync_ray.models.batched import Batched
from lipsync_ray.models.checkpoint import compare, load_into, read_entries, read_state
from lipsync_ray.models.lip_sync import AudioWindow, Build, FrontEnd, GeneratorSpec, Latents, Pauses, Sampling, no_parts
from lipsync_ray.models.mini import Mini, mini_for
from lipsync_ray.models.precision import dtype_of
from lipsync_ray.models.wav2lip import CROP, MEL_BANDS, MEL_STEP, Block, Wav2Lip
from lipsync_ray.models.weights import Checkpoint
from lipsync_ray.settings import Precision, Reference

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]

_ADDED: dict[str, Checkpoint] = {}  # filled by :func:`add`


def resolve(model: str, progress: weights.Progress | None = None, fetch: bool = True) -> Checkpoint:
    """Resolve `--model`: a registered name (downloaded if missing and `fetch`), a file, or a published folder.

    Raises
    ------
    WeightsError : not available, damaged, or neither a name nor a file
    CheckpointError : a given file holds no known generator
    ModelError : packages that it needs are not installed
    """
    if model in _ADDED:
        return _ADDED[model]
    folder = Path(model).expanduser().absolute()
    registered = weights.find(model)
    if (registered is None or registered.kind != "lips") and folder.is_dir():
        registered, model = None, str(echomimic_files.unet_in(folder) or musetalk_files.unet_in(folder))
    if registered is not None and registered.network:  # before any download
        _check_extra(_by_network(registered.network), model)
    checkpoint = weights.named_or_path("--model", model, "lips", progress, fetch)
    spec = spec_of(checkpoint)
    if registered is None and spec.parts is not no_parts:  # every such file has the same name
        folders = Path(checkpoint.given).parents
        checkpoint = replace(checkpoint, name=f"{spec.name}-{folders[0 if spec.method == 'head' else 1].name}")
    return replace(checkpoint, parts=spec.parts(checkpoint, progress, fetch))


def add(spec: GeneratorSpec, checkpoint: Checkpoint) -> None:
    """Register an external model, or replace it."""
    GENERATORS[:] = [*(known for known in GENERATORS if known.name != spec.name), spec]
    _ADDED[spec.name] = checkpoint


def spec_of(checkpoint: Checkpoint) -> GeneratorSpec:
    """The spec of a checkpoint: that of its registry entry, else the file is read and checked.

    Raises
    ------
    WeightsError, CheckpointError : the file is not a known generator
    ModelError : packages that it needs are not installed
    """
    if _ADDED.get(checkpoint.name) == checkpoint:
        return _by_network(checkpoint.name)
    registered = checkpoint.registered
    return _by_network(registered.network) if registered else _verified(checkpoint.here(), checkpoint.sha256)


@lru_cache(maxsize=2)
def _verified(path: Path, sha256: str) -> GeneratorSpec:
    """Cached, because the file may be large."""
    return verify(path)


def _by_network(name: str) -> GeneratorSpec:
    return next(spec for spec in GENERATORS if spec.name == name)


def _check_extra(spec: GeneratorSpec, model: str) -> None:
    if spec.extra:
        extras.require(spec.extra, f"--model {model}")


def spec_of_state(state: dict[str, Tensor], source: str) -> GeneratorSpec:
    """The spec of the network that a state dict belongs to.

    Raises
    ------
    CheckpointError : not a known network
    """
    for spec in GENERATORS:
        if spec.is_of(state):
            return spec
    raise CheckpointError(f"{source}: not a lip-sync generator's checkpoint (entries: {', '.join(list(state)[:3])} …)")


def verify(path: Path) -> GeneratorSpec:
    """Check that a file is a known generator's checkpoint, entry by entry, without loading weights; return its spec.

    Raises
    ------
    WeightsError, CheckpointError
    ModelError : packages that it needs are not installed
    """
    state = read_entries(path)
    spec = spec_of_state(state, str(path))
    # The same network with other settings
    if spec.name == musetalk_files.V15 and musetalk_files.is_v1(path):
        spec = _by_network(musetalk_files.V1)
    if spec.name == echomimic_files.NORMAL and echomimic_files.is_accelerated(path):
        spec = _by_network(echomimic_files.ACCELERATED)
    _check_extra(spec, str(path))
    with torch.device("meta"):
        network = spec.build(state, path)
    compare(network, state, str(path))
    return spec


class LipModel(Batched):
    """A loaded Wav2Lip, or the bundled network of its shape.

    Parameters
    ----------
    path : checkpoint
    device : "cpu", "cuda", …
    precision : "auto" is fp16 on a GPU, bf16 on a CPU that multiplies in it, else fp32
    batch : frames per batch; None for the device's default

    Raises
    ------
    WeightsError, CheckpointError
    """

    def __init__(self, path: Path, device: str, precision: Precision = "auto", batch: int | None = None) -> None:
        state = read_state(path)
        spec = spec_of_state(state, str(path))
        super().__init__(device, batch, spec.cpu_batch, spec.gpu_batch)
        network = spec.build(state, path)
        assert isinstance(network, Wav2Lip)
        load_into(network, state, str(path))
        self.dtype = dtype_of(precision, self.device)
        self.network = prepared(network, self.device, self.dtype)

    def __call__(self, crops: U8, mels: F32) -> U8:
        """Draw mouths: (n, 96, 96, 3) uint8 BGR, from crops of that shape and (n, 80, 16) float32 mel."""
        if crops.shape[1:] != (CROP, CROP, 3) or mels.shape[1:] != (MEL_BANDS, MEL_STEP) or len(crops) != len(mels):
            raise ValueError(
                f"expected (n, {CROP}, {CROP}, 3) and (n, {MEL_BANDS}, {MEL_STEP}); got {crops.shape = }, {mels.shape = }"
            )
        return self.passes(self._pass, crops, mels, none=crops)

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
    """Prepare a network for inference: batch norm folded into convolutions, channels last, in ``dtype``."""
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


def _plain(state: dict[str, Tensor], path: Path) -> nn.Module:
    return Wav2Lip()


def _mini(state: dict[str, Tensor], path: Path) -> nn.Module:
    return mini_for(state)


def _listener(state: dict[str, Tensor], path: Path) -> nn.Module:
    return lip_poses.ensemble_for(state)


def _load_faces(checkpoint: Checkpoint, device: str, precision: Precision, batch: int | None) -> LipModel:
    return LipModel(checkpoint.here(), device, precision, batch)


def _load_poses(checkpoint: Checkpoint, device: str, precision: Precision, batch: int | None) -> lip_poses.LipPoses:
    return lip_poses.LipPoses(checkpoint.here(), device, batch)  # always float32


def _wav2lip(
    name: str,
    signature: str,
    build: Build,
    shift: int,
    front_end: FrontEnd = "mel",
    reference: Reference = "current",
    pauses: Pauses = "none",
) -> GeneratorSpec:
    audio = AudioWindow(front_end, 80, MEL_STEP, Fraction(shift))
    return GeneratorSpec(
        name, "paste", audio, signature, build, _load_faces, crop_side=CROP, reference=reference,
        references=get_args(Reference), pauses=pauses, train_kind="generator",
    )  # fmt: skip


def _warp() -> GeneratorSpec:
    # Trained on windows centred on the frame's time
    audio = AudioWindow("speech-mel", 80, closures.WINDOW, lead=closures.WINDOW // 2, silent_end=True)
    return GeneratorSpec(
        "warp", "warp", audio, "directions", _listener, _load_poses, reference=None, pauses="every",
        train_kind="pose", cpu_batch=64, gpu_batch=512,
    )  # fmt: skip


def _musetalk(name: str, margin: int, blend: Literal["jaw", "raw"]) -> GeneratorSpec:
    # Starts two frames earlier, each rounded up to whole columns; zeros beyond both ends of the sound
    audio = AudioWindow("whisper", 50, musetalk.COLUMNS, lead_frames=2, silent_end=True)
    return GeneratorSpec(
        name, "latent", audio, musetalk.SIGNATURE, musetalk.build_for, musetalk.MuseTalk,
        how=Latents(musetalk.LatentEncoder, margin, blend, shifts=not margin), crop_side=musetalk.CROP,
        references=("current",), channels=8, parts=musetalk_files.parts, extra="musetalk",
        cpu_batch=musetalk.CPU_BATCH, gpu_batch=musetalk.GPU_BATCH,
    )  # fmt: skip


def _load_animator(checkpoint: Checkpoint, device: str, precision: Precision, batch: int | None) -> echomimic.Animator:
    return echomimic.Animator(checkpoint, device, precision)  # always one window of frames per batch


def _echomimic(name: str, steps: int, guidance: float) -> GeneratorSpec:
    sampling = Sampling(steps, guidance, echomimic.HeadDecoder, sums=name == echomimic_files.NORMAL)
    return GeneratorSpec(
        name, "head", AudioWindow("whisper-layers", 50, echomimic.ROWS, lead=4), echomimic.SIGNATURE, echomimic.build_for,
        _load_animator, how=sampling, crop_side=echomimic.SIDE, reference=None, channels=4, parts=echomimic.parts,
        extra="echomimic", cpu_batch=echomimic.CPU_BATCH, gpu_batch=echomimic.GPU_BATCH,
    )  # fmt: skip


# The shift is 0 in the published Wav2Lip's inference, −1 in its training (``inference.py``, ``wav2lip_train.py``).
# On one CPU core a batch of 16 has 0.9 of the speed of 32, but wastes less in a segment's last batch.
GENERATORS = [
    _warp(),
    _wav2lip("mini", "flow.weight", _mini, -1, "speech-mel", "closed", "long"),
    _wav2lip("wav2lip", "output_block.1.weight", _plain, 0),
    _musetalk(musetalk_files.V15, margin=10, blend="jaw"),
    _musetalk(musetalk_files.V1, margin=0, blend="raw"),
    _echomimic(echomimic_files.NORMAL, steps=30, guidance=2.5),
    _echomimic(echomimic_files.ACCELERATED, steps=6, guidance=1.0),
]
