"""EchoMimic's networks in a small configuration of the same classes, with seeded random numbers, laid out as its weights."""

from __future__ import annotations

import json
import re
from pathlib import Path

import small_musetalk

DENOISING = {
    "block_out_channels": [32, 32],
    "layers_per_block": 1,
    "down_block_types": ["CrossAttnDownBlockMotion", "DownBlockMotion"],
    "up_block_types": ["UpBlockMotion", "CrossAttnUpBlockMotion"],
    "cross_attention_dim": 32,
    "num_attention_heads": 4,
    "motion_num_attention_heads": 4,
    "norm_num_groups": 8,
}
REFERENCE = small_musetalk.UNET
_BLOCK = "transformer_blocks.0."
_THEIRS = {
    "pos_embed.pe": "attention_blocks.0.pos_encoder.pe",
    "attn1.": "attention_blocks.0.",
    "attn2.": "attention_blocks.1.",
    "norm1.": "norms.0.",
    "norm2.": "norms.1.",
    "norm3.": "ff_norm.",
}


def theirs(name: str) -> str:
    """An entry of diffusers' denoising network as the published files call it."""
    if ".motion_modules." not in name:
        return name
    name = re.sub(r"(motion_modules\.\d+)\.", r"\1.temporal_transformer.", name)
    for ours, original in _THEIRS.items():
        name = name.replace(_BLOCK + ours, _BLOCK + original)
    return name


def split(state: dict) -> tuple[dict, dict]:
    """A denoising network's entries as its two published files hold them."""
    spatial, motion = {}, {}
    for name, tensor in state.items():
        original = theirs(name)
        (motion if ".motion_modules." in name else spatial)[original] = tensor
        if name.endswith("pos_embed.pe"):
            motion[original.replace("attention_blocks.0", "attention_blocks.1")] = tensor
    return spatial, motion


def write(folder: Path, seed: int = 0, accelerated: bool = True) -> Path:
    """The folder, for ``--model``."""
    import torch
    from diffusers import AutoencoderKL
    from filled import openai_s
    from safetensors.torch import save_file
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    from lipsync_ray.models.echomimic_files import DENOISING_CONFIG, REFERENCE_CONFIG
    from lipsync_ray.models.echomimic_networks import FaceLocator, denoising_unet, reference_unet
    from lipsync_ray.models.musetalk_files import AUDIO_ENCODER_CONFIG, VAE_CONFIG

    torch.manual_seed(seed)
    for name in ("sd-vae-ft-mse", "audio_processor"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    ending = "_acc" if accelerated else ""
    spatial, motion = split(denoising_unet(DENOISING_CONFIG | DENOISING).state_dict())
    torch.save(spatial, folder / f"denoising_unet{ending}.pth")
    torch.save(motion, folder / f"motion_module{ending}.pth")
    _say(folder / f"denoising_unet{ending}.json", DENOISING)
    torch.save(reference_unet(REFERENCE_CONFIG | REFERENCE).state_dict(), folder / "reference_unet.pth")
    _say(folder / "reference_unet.json", REFERENCE)
    torch.save(FaceLocator(DENOISING["block_out_channels"][0]).state_dict(), folder / "face_locator.pth")
    vae = AutoencoderKL(**VAE_CONFIG | small_musetalk.VAE)
    save_file(vae.state_dict(), folder / "sd-vae-ft-mse" / "diffusion_pytorch_model.safetensors")
    _say(folder / "sd-vae-ft-mse" / "config.json", small_musetalk.VAE)
    encoder = WhisperEncoder(WhisperConfig(**AUDIO_ENCODER_CONFIG | small_musetalk.WHISPER))
    state = {f"encoder.{name}": tensor for name, tensor in openai_s(encoder.state_dict()).items()}
    torch.save({"dims": {}, "model_state_dict": state}, folder / "audio_processor" / "whisper_tiny.pt")
    _say(folder / "audio_processor" / "whisper_tiny.json", small_musetalk.WHISPER)
    return folder


def _say(path: Path, config: dict) -> None:
    path.write_text(json.dumps(config))
