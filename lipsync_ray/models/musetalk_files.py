"""Finds MuseTalk's checkpoints: the UNet and its companions VAE, Whisper encoder and, for masks, BiSeNet.

They come from the registry, or from a folder laid out as MuseTalk's own ``models``: ``musetalkV15/unet.pth``,
``musetalk/pytorch_model.bin``, ``sd-vae``, ``whisper``, ``face-parse-bisent``. A ``config.json`` (``musetalk.json``)
beside a file sets the network's configuration; the default is the published one.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lipsync_ray.errors import CheckpointError, WeightsError
from lipsync_ray.models import weights
from lipsync_ray.models.registry import MUSETALK_COMPANIONS
from lipsync_ray.models.weights import Checkpoint

V15, V1 = "musetalk", "musetalk-v1"
VAE, AUDIO_ENCODER, PARSER = "vae", "hearer", "parser"

_UNETS = (("musetalkV15", "unet.pth"), ("musetalk", "pytorch_model.bin"))  # the newer first
WEIGHT_FILES = (
    "diffusion_pytorch_model.safetensors",
    "diffusion_pytorch_model.bin",
    "model.safetensors",
    "pytorch_model.bin",
)
# Role → names of its folders in MuseTalk's layout, of its files, of its registry entry
_PARTS: dict[str, tuple[tuple[str, ...], tuple[str, ...], str]] = {
    VAE: (("sd-vae", "sd-vae-ft-mse"), WEIGHT_FILES, MUSETALK_COMPANIONS[0]),
    AUDIO_ENCODER: (("whisper", "whisper-tiny"), WEIGHT_FILES, MUSETALK_COMPANIONS[1]),
    PARSER: (("face-parse-bisent",), ("79999_iter.pth",), "bisenet"),
}

# TMElyralab/MuseTalk, musetalk.json and musetalkV15/musetalk.json
UNET_CONFIG: dict[str, Any] = {
    "sample_size": 64,
    "in_channels": 8,
    "out_channels": 4,
    "block_out_channels": (320, 640, 1280, 1280),
    "layers_per_block": 2,
    "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
    "cross_attention_dim": 384,
    "attention_head_dim": 8,
    "norm_num_groups": 32,
    "act_fn": "silu",
    "center_input_sample": False,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "downsample_padding": 1,
    "mid_block_scale_factor": 1,
}
# stabilityai/sd-vae-ft-mse, config.json
VAE_CONFIG: dict[str, Any] = {
    "in_channels": 3,
    "out_channels": 3,
    "latent_channels": 4,
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "norm_num_groups": 32,
    "act_fn": "silu",
    "sample_size": 256,
}
# openai/whisper-tiny, config.json
AUDIO_ENCODER_CONFIG: dict[str, Any] = {
    "d_model": 384,
    "encoder_layers": 4,
    "encoder_attention_heads": 6,
    "encoder_ffn_dim": 1536,
    "decoder_layers": 4,
    "decoder_attention_heads": 6,
    "decoder_ffn_dim": 1536,
    "num_mel_bins": 80,
    "max_source_positions": 1500,
}


def unet_in(folder: Path) -> Path:
    """The UNet's file in a folder: MuseTalk's ``models``, or the folder of one version.

    Raises
    ------
    WeightsError : the folder has none
    """
    candidates = [folder / name / file for name, file in _UNETS] + [folder / file for _, file in _UNETS]
    if (found := next((path for path in candidates if path.is_file()), None)) is None:
        expected = ", ".join("/".join(names) for names in _UNETS)
        raise WeightsError(f"--model {folder}: a folder without a lip-sync model; expected one of {expected} in it")
    return found


def is_v1(path: Path) -> bool:
    """Whether a UNet's file is of version 1.0; only the names of the file and its folder differ."""
    return path.name == _UNETS[1][1] and path.parent.name != _UNETS[0][0]


def parts(unet: Checkpoint, progress: weights.Progress | None, fetch: bool) -> tuple[tuple[str, Checkpoint], ...]:
    """(role, checkpoint) of the VAE and the audio encoder of a UNet: files beside it, or else the registered ones.

    Raises
    ------
    WeightsError : not here and not to be had
    """
    return tuple((role, part(unet, role, progress, fetch)) for role in (VAE, AUDIO_ENCODER))


def part(unet: Checkpoint, role: str, progress: weights.Progress | None, fetch: bool) -> Checkpoint:
    """The companion of one role.

    Raises
    ------
    WeightsError : not here and not to be had
    """
    companions = _companion(unet, role)
    return Checkpoint.of(companions) if companions else weights.by_name(_PARTS[role][2], progress, fetch)


def parser_if_here(unet: Checkpoint) -> Checkpoint | None:
    """The face parser if its file is beside the UNet's or in the cache; never downloads."""
    if companions := _companion(unet, PARSER):
        return Checkpoint.of(companions)
    registered = weights.find(_PARTS[PARSER][2])
    assert registered is not None
    return weights.by_name(registered.name) if weights.location(registered).is_file() else None


def _companion(unet: Checkpoint, role: str) -> Path | None:
    if unet.registered is not None:
        return None
    folders, files, _ = _PARTS[role]
    root = Path(unet.given).parent.parent
    return next((path for name in folders for file in files if (path := root / name / file).is_file()), None)


def config_of(path: Path, published: dict[str, Any]) -> dict[str, Any]:
    """Configuration of a file's network: the published one, overridden by the JSON file beside it.

    Raises
    ------
    CheckpointError : the JSON file is not a configuration
    """
    names = (f"{path.stem}.json", "config.json", "musetalk.json")
    companions = next((companions for name in names if (companions := path.with_name(name)).is_file()), None)
    if companions is None:
        return published
    try:
        config = json.loads(companions.read_text())
        return published | {name: config[name] for name in published if name in config}
    except (ValueError, TypeError) as error:
        raise CheckpointError(f"{companions}: not the configuration of a network ({error})") from error
