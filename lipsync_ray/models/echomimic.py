"""EchoMimic (Chen et al. 2024, arXiv:2407.08136): animates a portrait from sound, by diffusion in a VAE's latent space.

The result is a new video of a head, not an edit of the source. All frames are sampled together
(:mod:`lipsync_ray.models.context_windows`) and decoded one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lipsync_ray.errors import ModelError
from lipsync_ray.models import echomimic_files
from lipsync_ray.models.batched import Batched
from lipsync_ray.models.checkpoint import compare, filled, loaded, read_entries
from lipsync_ray.models.context_windows import CONTEXT, LIMIT, Sampler, noise
from lipsync_ray.models.echomimic_files import (
    DENOISING_CONFIG,
    LOCATOR,
    MOTION,
    REFERENCE,
    REFERENCE_CONFIG,
    merged,
    without_motion,
)
from lipsync_ray.models.echomimic_networks import (
    Bank,
    Denoising,
    FaceLocator,
    denoising_unet,
    reference_features,
    reference_unet,
)
from lipsync_ray.models.extras import require
from lipsync_ray.models.musetalk import SCALE, load_vae
from lipsync_ray.models.musetalk_files import VAE, config_of
from lipsync_ray.models.precision import Precision, dtype_of
from lipsync_ray.models.weights import Checkpoint, Progress

U8 = NDArray[np.uint8]
I64 = NDArray[np.int64]
F32 = NDArray[np.float32]

SIDE = 512  # pixels: side of the square that it was trained on
ROWS = 10  # audio feature rows per frame, 20 ms each
SHRINKS = 8  # pixels per latent, on each side
CPU_BATCH, GPU_BATCH = 1, 4
SIGNATURE = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight"
NEEDS = "EchoMimic"


def build_for(state: dict[str, Tensor], path: Path) -> Any:
    """The network of a denoising UNet's own file, without motion modules or weights, to compare entries with."""
    require("echomimic", NEEDS)
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(**without_motion(config_of(path, DENOISING_CONFIG)))


def parts(unet: Checkpoint, progress: Progress | None, fetch: bool) -> tuple[tuple[str, Checkpoint], ...]:
    """(role, checkpoint) of a denoising UNet's companions; files of the user are first checked entry by entry.

    Raises
    ------
    WeightsError, CheckpointError
    """
    found = echomimic_files.parts(unet, progress, fetch)
    if unet.registered is None:
        of, path = dict(found), Path(unet.given)
        motion, reference, locator = (Path(of[role].given) for role in (MOTION, REFERENCE, LOCATOR))
        with torch.device("meta"):
            network = denoising_unet(config_of(path, DENOISING_CONFIG))
            if of[REFERENCE].registered is None:
                compare(_reference_for(reference), read_entries(reference), str(reference))
            if of[LOCATOR].registered is None:
                compare(_locator_for(state := read_entries(locator)), state, str(locator))
        compare(network, merged(read_entries(path), read_entries(motion)), f"{path} with {motion.name}")
    return found


def load_denoising(checkpoint: Checkpoint, device: torch.device, dtype: torch.dtype) -> Any:
    """Load the denoising UNet from its two files, for inference.

    Raises
    ------
    WeightsError, CheckpointError
    """
    require("echomimic", NEEDS)
    path, motion = checkpoint.here(), checkpoint.part(MOTION).here()
    config = config_of(path, DENOISING_CONFIG)
    with torch.device("meta"):
        network = denoising_unet(config)
    state = merged(read_entries(path), read_entries(motion))
    return filled(network, state, f"{path} with {motion.name}", device, dtype)


def load_reference(checkpoint: Checkpoint, device: torch.device, dtype: torch.dtype) -> Any:
    """Load the reference UNet, for inference.

    Raises
    ------
    WeightsError, CheckpointError
    """
    return loaded(checkpoint, lambda state, path: _reference_for(path), device, dtype)


def load_locator(checkpoint: Checkpoint, device: torch.device, dtype: torch.dtype) -> Any:
    """Load the face locator, for inference.

    Raises
    ------
    WeightsError, CheckpointError
    """
    return loaded(checkpoint, lambda state, path: _locator_for(state), device, dtype)


def _reference_for(path: Path) -> Any:
    return reference_unet(config_of(path, REFERENCE_CONFIG))


def _locator_for(state: dict[str, Tensor]) -> FaceLocator:
    return FaceLocator(state["conv_out.bias"].shape[0]) if "conv_out.bias" in state else FaceLocator()


@dataclass(frozen=True)
class Portrait:
    """Features of a portrait: those of the reference UNet, and those of the face's position."""

    bank: Bank
    face: Tensor


class Animator(Batched):
    """A loaded EchoMimic: portrait and sound to latents.

    Raises
    ------
    WeightsError, CheckpointError
    """

    window = CONTEXT  # frames processed at a time

    def __init__(self, checkpoint: Checkpoint, device: str, precision: Precision = "auto") -> None:
        super().__init__(device, 1, 1, 1)
        self.dtype = dtype_of(precision, self.device)
        device_and_type = self.device, self.dtype
        self._denoising = Denoising(load_denoising(checkpoint, *device_and_type))
        self._reference = load_reference(checkpoint.part(REFERENCE), *device_and_type)
        self._locator = load_locator(checkpoint.part(LOCATOR), *device_and_type)
        self._vae = load_vae(checkpoint.part(VAE), *device_and_type)
        self._vae.decoder = None  # used by another stage
        self._wide = int(self._denoising.network.config.cross_attention_dim)

    @torch.inference_mode()
    def portrait(self, picture: U8, mask: U8) -> Portrait:
        """Compute the features of a portrait.

        Parameters
        ----------
        picture : (side, side, 3) uint8 BGR, the head; side a multiple of 64
        mask : (side, side) uint8, 255 in the face
        """
        if picture.shape[0] != picture.shape[1] or picture.shape[0] % 64 or mask.shape != picture.shape[:2]:
            raise ValueError(
                f"expected a square of a multiple of 64 pixels and its mask; got {picture.shape}, {mask.shape}"
            )
        rgb = torch.from_numpy(np.ascontiguousarray(picture[None, :, :, ::-1])).to(self.device).permute(0, 3, 1, 2)
        pixels = (rgb.float() / 255 * 2 - 1).to(self.dtype)
        latents = self._vae.encode(pixels).latent_dist.mode().float() * SCALE
        device_and_type = torch.from_numpy(mask)[None, None].to(self.device).float() / 255
        return Portrait(
            reference_features(self._reference, latents.to(self.dtype)), self._locator(device_and_type.to(self.dtype))
        )

    def start(self, frames: int, side: int, seed: int, parity: bool = False) -> F32:
        """(4, frames, side / 8, side / 8) float32 initial noise of a video.

        Parameters
        ----------
        side : side of the picture in pixels
        parity : draw it in the dtype of the weights, as the published pipeline does
        """
        drawn = noise(frames, side // SHRINKS, seed, self.dtype if parity else torch.float32)
        start: F32 = drawn.clamp(-LIMIT, LIMIT)[0].numpy()
        return start

    @torch.inference_mode()
    def step(
        self, latents: F32, number: int, sampler: Sampler, portrait: Portrait, sound_of: Callable[[I64], F32]
    ) -> F32:
        """Latents (4, n, h, w) of all frames after one denoising step.

        Parameters
        ----------
        sound_of : frame numbers of a window ↦ (f, 10, layers · d) float32, Whisper's states around each frame

        Raises
        ------
        ModelError : not enough GPU memory for a window; audio features of a size that the network does not expect
        """

        def predict(window: I64, noisy: Tensor, time: int, conditional: bool) -> Tensor:
            sound = self._tokens(sound_of(window)) if conditional else self._silence(len(window))
            bank, face = (portrait.bank, portrait.face) if conditional else ({}, None)
            return self._denoising(noisy.to(self.dtype), time, sound, bank, face)

        try:
            tensor = torch.from_numpy(latents)[None].to(self.device)
            after: F32 = sampler.step(tensor, number, predict)[0].cpu().numpy()
            return after
        except torch.OutOfMemoryError as error:
            raise ModelError(
                f"{self.device} ran out of memory for a window of EchoMimic. Set a smaller --head-side, or let fewer actors "
                "share it (--gpus-per-actor 1)"
            ) from error

    @torch.inference_mode()
    def denoise_once(self, latents: F32, sound_of: F32, portrait: Portrait) -> F32:
        """Predicted velocity (4, f, h, w) of one window at the first timestep; used to measure speed.

        Parameters
        ----------
        latents : (4, f, h, w)
        sound_of : (f, 10, layers · d) float32
        """
        noisy = torch.from_numpy(np.ascontiguousarray(latents))[None].to(self.device, self.dtype)
        found = self._denoising(noisy, 999, self._tokens(sound_of), portrait.bank, portrait.face)
        velocity: F32 = found[0].float().cpu().numpy()
        return velocity

    def _tokens(self, sound_of: F32) -> Tensor:
        """(f, 50, 384) tokens from (f, 10, 5 · 384): the layers of a row become consecutive tokens."""
        if sound_of.shape[2] % self._wide:
            raise ModelError(
                f"the UNet expects audio features of {self._wide} numbers; Whisper's encoder gives {sound_of.shape[2]}"
            )
        return torch.from_numpy(sound_of).reshape(len(sound_of), -1, self._wide).to(self.device, self.dtype)

    def _silence(self, frames: int) -> Tensor:
        """Zero tokens for no sound; one per frame suffices, because attention to any number of zeros adds only its
        bias.
        """
        return torch.zeros(frames, 1, self._wide, device=self.device, dtype=self.dtype)


class HeadDecoder(Batched):
    """The VAE's decoder, from latents to pictures.

    Parameters
    ----------
    truncated : truncate levels to integers, as the published pipeline does, instead of rounding

    Raises
    ------
    WeightsError, CheckpointError
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        device: str,
        precision: Precision = "auto",
        batch: int | None = None,
        truncated: bool = False,
    ) -> None:
        super().__init__(device, batch, CPU_BATCH, GPU_BATCH)
        self.dtype = dtype_of(precision, self.device)
        self._vae = load_vae(checkpoint.part(VAE), self.device, self.dtype)
        self._vae.encoder = None
        self._truncated = truncated

    def __call__(self, latents: F32) -> U8:
        """(n, side, side, 3) uint8 BGR pictures of latents (n, 4, side / 8, side / 8)."""
        side = latents.shape[2] * SHRINKS
        return self.passes(self._pass, latents, none=np.zeros((0, side, side, 3), np.uint8))

    @torch.inference_mode()
    def _pass(self, latents: F32) -> Tensor:
        drawn = self._vae.decode((self.upload(latents) / SCALE).to(self.dtype)).sample.float()
        levels = (drawn / 2 + 0.5).clamp(0, 1) * 255
        levels = levels.floor() if self._truncated else levels.round()
        drawn_bgr: Tensor = levels.to(torch.uint8).flip(1).permute(0, 2, 3, 1)[: len(latents)].contiguous()
        return drawn_bgr
