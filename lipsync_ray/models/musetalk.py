"""MuseTalk (Zhang et al. 2024, arXiv:2410.10122): inpaints the lower face in the latent space of Stable Diffusion's
VAE.

One step of a UNet at timestep 0 takes the latents of the masked and of the whole face, and the sound by
cross-attention. The networks are diffusers'; shapes, scaling and masking are those of TMElyralab/MuseTalk.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lipsync_ray.errors import ModelError
from lipsync_ray.models.batched import Batched
from lipsync_ray.models.checkpoint import filled, loaded, read_entries
from lipsync_ray.models.extras import require
from lipsync_ray.models.musetalk_files import UNET_CONFIG, VAE, VAE_CONFIG, config_of
from lipsync_ray.models.precision import Precision, dtype_of
from lipsync_ray.models.weights import Checkpoint

U8 = NDArray[np.uint8]
F16 = NDArray[np.float16]
F32 = NDArray[np.float32]

CROP = 256  # pixels: side of its input and output square
SCALE = 0.18215  # of latents: sd-vae-ft-mse's scaling factor
COLUMNS = 10  # audio feature columns per frame, 20 ms each
CPU_BATCH, GPU_BATCH = 4, 16
SIGNATURE = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight"

# Names of a VAE's attention layers when sd-vae-ft-mse was published → in today's diffusers
_RENAMED = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}


def build_for(state: dict[str, Tensor], path: Path) -> Any:
    """Build the UNet of a checkpoint's file, without its weights."""
    require("musetalk", "MuseTalk")
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(**config_of(path, UNET_CONFIG))


def load_unet(checkpoint: Checkpoint, device: torch.device, dtype: torch.dtype) -> Any:
    """Load the UNet of a checkpoint, for inference.

    Raises
    ------
    WeightsError, CheckpointError
    """
    return loaded(checkpoint, build_for, device, dtype)


def load_vae(checkpoint: Checkpoint, device: torch.device, dtype: torch.dtype) -> Any:
    """Load the VAE of a checkpoint, for inference.

    Raises
    ------
    WeightsError, CheckpointError
    """
    require("musetalk", "MuseTalk")
    from diffusers import AutoencoderKL

    path = checkpoint.here()
    with torch.device("meta"):
        network = AutoencoderKL(**config_of(path, VAE_CONFIG))
    return filled(network, _modern(read_entries(path)), str(path), device, dtype)


def _modern(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename a VAE's entries to today's diffusers names."""
    out = {}
    for name, tensor in state.items():
        stem, _, leaf = name.rpartition(".")
        head, _, last = stem.rpartition(".")
        if ".attentions." in name and last in _RENAMED:
            name = f"{head}.{_RENAMED[last]}.{leaf}"
            tensor = tensor.flatten(1) if leaf == "weight" else tensor  # some are stored as 1 × 1 convolutions
        out[name] = tensor
    return out


class LatentEncoder(Batched):
    """Encodes faces for MuseTalk with the VAE; the encodings are the same for all languages.

    Raises
    ------
    WeightsError, CheckpointError
    """

    def __init__(
        self, checkpoint: Checkpoint, device: str, precision: Precision = "auto", batch: int | None = None
    ) -> None:
        super().__init__(device, batch, CPU_BATCH, GPU_BATCH)
        self.dtype = dtype_of(precision, self.device)
        self._vae = load_vae(checkpoint.part(VAE), self.device, self.dtype)

    def __call__(self, faces: U8) -> F16:
        """Encode faces.

        Parameters
        ----------
        faces : (n, 256, 256, 3) uint8 BGR

        Returns
        -------
        (n, 8, 32, 32) float16: mean latents of the masked face, then of the whole face, times 0.18215
        """
        if faces.shape[1:] != (CROP, CROP, 3):
            raise ValueError(f"expected (n, {CROP}, {CROP}, 3); got {faces.shape}")
        return self.passes(self._pass, faces, none=np.zeros((0, 8, 32, 32), np.float16))

    @torch.inference_mode()
    def _pass(self, faces: U8) -> Tensor:
        rgb = self.upload(faces).permute(0, 3, 1, 2).flip(1).float() / 255
        masked = rgb.clone()
        masked[:, :, CROP // 2 :] = 0  # before normalisation: becomes −1, not grey
        both = [self._encoded(picture * 2 - 1) for picture in (masked, rgb)]
        return torch.cat(both, dim=1)[: len(faces)].half()

    def _encoded(self, picture: Tensor) -> Tensor:
        picture = picture.to(self.dtype).contiguous(memory_format=torch.channels_last)
        found: Tensor = self._vae.encode(picture).latent_dist.mode().float() * SCALE
        return found


class MuseTalk(Batched):
    """A loaded MuseTalk: the UNet and the VAE's decoder.

    Raises
    ------
    WeightsError, CheckpointError
    ModelError : its UNet expects audio features of another size than Whisper's encoder gives
    """

    def __init__(
        self, checkpoint: Checkpoint, device: str, precision: Precision = "auto", batch: int | None = None
    ) -> None:
        super().__init__(device, batch, CPU_BATCH, GPU_BATCH)
        self.dtype = dtype_of(precision, self.device)
        self._unet = load_unet(checkpoint, self.device, self.dtype)
        self._vae = load_vae(checkpoint.part(VAE), self.device, self.dtype)
        self._vae.encoder = None  # used by another stage
        self._wide = int(self._unet.config.cross_attention_dim)

    def __call__(self, latents: F16, sound: F32) -> U8:
        """Draw faces.

        Parameters
        ----------
        latents : (n, 8, 32, 32) from :class:`LatentEncoder`
        sound : (n, layers · d, 10) float32: Whisper's hidden states in the 200 ms around each frame

        Returns
        -------
        (n, 256, 256, 3) uint8 BGR
        """
        if len(latents) != len(sound) or sound.shape[2] != COLUMNS:
            raise ValueError(f"expected (n, 8, 32, 32) and (n, k, {COLUMNS}); got {latents.shape}, {sound.shape}")
        if sound.shape[1] % self._wide:
            raise ModelError(
                f"the UNet expects audio features of {self._wide} numbers; Whisper's encoder gives {sound.shape[1]}"
            )
        return self.passes(self._pass, latents, sound, none=np.zeros((0, CROP, CROP, 3), np.uint8))

    @torch.inference_mode()
    def _pass(self, latents: F16, sound: F32) -> Tensor:
        predicted = self.predict(self.upload(latents).float(), self.upload(sound))
        drawn = self._vae.decode((predicted / SCALE).to(self.dtype)).sample.float()
        levels = ((drawn / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8)
        drawn_bgr: Tensor = levels.flip(1).permute(0, 2, 3, 1)[: len(latents)].contiguous()
        return drawn_bgr

    def predict(self, latents: Tensor, sound: Tensor) -> Tensor:
        """(b, 4, 32, 32) float32 latents of the drawn faces, from (b, 8, 32, 32) latents and (b, layers · d, 10) audio
        features.
        """
        # The layers of a column become consecutive tokens: (b, 10, layers, d) → (b, 10 · layers, d).
        prompt = sound.transpose(1, 2).reshape(len(sound), -1, self._wide)
        prompt = (prompt + positions(prompt.shape[1], self._wide).to(prompt.device)).to(self.dtype)
        inputs = latents.to(self.dtype).contiguous(memory_format=torch.channels_last)
        time = torch.zeros(1, dtype=torch.long, device=inputs.device)
        out: Tensor = self._unet(inputs, time, encoder_hidden_states=prompt).sample.float()
        return out


@lru_cache(maxsize=2)
def positions(count: int, wide: int) -> Tensor:
    """(count, wide) float32 sinusoidal positions, base 10,000 (Vaswani et al. 2017, section 3.5)."""
    at = torch.arange(count, dtype=torch.float32)[:, None]
    frequencies = torch.exp(torch.arange(0, wide, 2, dtype=torch.float32) * (-np.log(10000.0) / wide))
    out = torch.zeros(count, wide)
    out[:, 0::2], out[:, 1::2] = torch.sin(at * frequencies), torch.cos(at * frequencies)
    return out
