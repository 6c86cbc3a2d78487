"""MuseTalk's networks in a small configuration of the same classes, with seeded random numbers, laid out as its ``models``."""

from __future__ import annotations

import json
from pathlib import Path

UNET = {
    "block_out_channels": [32, 32],
    "layers_per_block": 1,
    "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
    "cross_attention_dim": 32,
    "attention_head_dim": 4,
    "norm_num_groups": 8,
}
VAE = {"block_out_channels": [16, 16, 16, 16], "layers_per_block": 1, "norm_num_groups": 8}
WHISPER = {
    "d_model": 32,
    "encoder_layers": 2,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 64,
    "decoder_layers": 1,
    "decoder_attention_heads": 2,
    "decoder_ffn_dim": 64,
}


def write(folder: Path, seed: int = 0, version: str = "musetalkV15", parser: bool = False) -> Path:
    """The folder, for ``--model``."""
    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from safetensors.torch import save_file
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    from lipsync_ray.models.bisenet import BiSeNet
    from lipsync_ray.models.musetalk_files import AUDIO_ENCODER_CONFIG, UNET_CONFIG, VAE_CONFIG

    torch.manual_seed(seed)
    for name in (version, "sd-vae", "whisper", "face-parse-bisent"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    unet = UNet2DConditionModel(**UNET_CONFIG | UNET)
    file = "unet.pth" if version == "musetalkV15" else "pytorch_model.bin"
    torch.save(unet.state_dict(), folder / version / file)
    (folder / version / "musetalk.json").write_text(json.dumps(UNET_CONFIG | UNET))
    vae = AutoencoderKL(**VAE_CONFIG | VAE)
    save_file(vae.state_dict(), folder / "sd-vae" / "diffusion_pytorch_model.safetensors")
    (folder / "sd-vae" / "config.json").write_text(json.dumps(VAE_CONFIG | VAE | {"scaling_factor": 0.18215}))
    encoder = WhisperEncoder(WhisperConfig(**AUDIO_ENCODER_CONFIG | WHISPER))
    whole = {f"model.encoder.{name}": tensor for name, tensor in encoder.state_dict().items()}
    torch.save(whole | {"model.decoder.layer_norm.weight": torch.zeros(32)}, folder / "whisper" / "pytorch_model.bin")
    (folder / "whisper" / "config.json").write_text(json.dumps(AUDIO_ENCODER_CONFIG | WHISPER))
    if parser:
        torch.save(BiSeNet().state_dict(), folder / "face-parse-bisent" / "79999_iter.pth")
    return folder
