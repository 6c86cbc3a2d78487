"""Finds EchoMimic's checkpoints, builds their configurations, and maps their entry names to diffusers'.

They come from the registry, or from a folder laid out as the published ``pretrained_weights``: ``denoising_unet.pth``
and ``motion_module.pth`` (or both with ``_acc``), ``reference_unet.pth``, ``face_locator.pth``, ``sd-vae-ft-mse``,
``audio_processor/whisper_tiny.pt``. A JSON file beside one (``reference_unet.json`` for ``reference_unet.pth``) sets
the network's configuration; the default is the published one.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from torch import Tensor

from lipsync_ray.errors import WeightsError
from lipsync_ray.models import weights
from lipsync_ray.models.musetalk_files import AUDIO_ENCODER, UNET_CONFIG, VAE, WEIGHT_FILES
from lipsync_ray.models.registry import ECHOMIMIC_COMPANIONS, MUSETALK_COMPANIONS
from lipsync_ray.models.weights import Checkpoint

NORMAL, ACCELERATED = "echomimic", "echomimic-acc"
MOTION, REFERENCE, LOCATOR = "motion", "reference", "locator"

_FILES = {NORMAL: "denoising_unet.pth", ACCELERATED: "denoising_unet_acc.pth"}
# Role → its possible paths in the folder; its registered name
_PARTS: dict[str, tuple[tuple[str, ...], str]] = {
    REFERENCE: (("reference_unet.pth",), ECHOMIMIC_COMPANIONS[0]),
    LOCATOR: (("face_locator.pth",), ECHOMIMIC_COMPANIONS[1]),
    VAE: (tuple(f"{folder}/{file}" for folder in ("sd-vae-ft-mse", "sd-vae") for file in WEIGHT_FILES), MUSETALK_COMPANIONS[0]),
    AUDIO_ENCODER: (("audio_processor/whisper_tiny.pt", *(f"whisper-tiny/{file}" for file in WEIGHT_FILES)), MUSETALK_COMPANIONS[1]),
}  # fmt: skip
_MOTION = {
    NORMAL: ("motion_module.pth", "echomimic-motion"),
    ACCELERATED: ("motion_module_acc.pth", "echomimic-acc-motion"),
}

# lambdalabs/sd-image-variations-diffusers, unet/config.json: Stable Diffusion 1.x. The denoising UNet's audio features have 384 numbers.
REFERENCE_CONFIG: dict[str, Any] = UNET_CONFIG | {"in_channels": 4, "cross_attention_dim": 768}
DENOISING_CONFIG: dict[str, Any] = {
    "sample_size": 64,
    "in_channels": 4,
    "out_channels": 4,
    "down_block_types": ("CrossAttnDownBlockMotion",) * 3 + ("DownBlockMotion",),
    "up_block_types": ("UpBlockMotion",) + ("CrossAttnUpBlockMotion",) * 3,
    "block_out_channels": (320, 640, 1280, 1280),
    "layers_per_block": 2,
    "downsample_padding": 1,
    "mid_block_scale_factor": 1,
    "act_fn": "silu",
    "norm_num_groups": 32,
    "norm_eps": 1e-5,
    "cross_attention_dim": 384,
    "num_attention_heads": 8,
    "motion_max_seq_length": 32,
    "motion_num_attention_heads": 8,
    "use_motion_mid_block": True,
}

_BLOCK = "transformer_blocks.0."
# Entry names of a motion module, and their names in diffusers; None for duplicates
_RENAMED: tuple[tuple[str, str | None], ...] = (
    (rf"{_BLOCK}attention_blocks\.1\.pos_encoder\.pe$", None),
    (rf"{_BLOCK}attention_blocks\.0\.pos_encoder\.pe$", f"{_BLOCK}pos_embed.pe"),
    (rf"{_BLOCK}attention_blocks\.0\.", f"{_BLOCK}attn1."),
    (rf"{_BLOCK}attention_blocks\.1\.", f"{_BLOCK}attn2."),
    (rf"{_BLOCK}norms\.0\.", f"{_BLOCK}norm1."),
    (rf"{_BLOCK}norms\.1\.", f"{_BLOCK}norm2."),
    (rf"{_BLOCK}ff_norm\.", f"{_BLOCK}norm3."),
)


def diffusers_name(name: str) -> str | None:
    """diffusers' name of a denoising UNet's entry; None for a duplicate that diffusers stores once."""
    if ".motion_modules." not in name:
        return name
    name = name.replace(".temporal_transformer.", ".")
    for theirs, ours in _RENAMED:
        if re.search(theirs, name):
            return re.sub(theirs, ours, name) if ours is not None else None
    return name


def merged(denoising: dict[str, Tensor], motion: dict[str, Tensor]) -> dict[str, Tensor]:
    """Merge the entries of a denoising UNet's two files under diffusers' names; the denoising file has priority."""
    both = motion | denoising
    return {ours: tensor for name, tensor in both.items() if (ours := diffusers_name(name)) is not None}


def without_motion(config: dict[str, Any]) -> dict[str, Any]:
    """Configuration of the diffusers image UNet that has the entries of a denoising UNet's own file."""
    types = {
        key: tuple(kind.replace("Motion", "2D") for kind in config[key])
        for key in ("down_block_types", "up_block_types")
    }
    named = {
        name: value
        for name, value in config.items()
        if not name.startswith(("motion_", "use_motion_", "num_attention_heads"))
    }
    return named | types | {"attention_head_dim": config["num_attention_heads"]}


def unet_in(folder: Path) -> Path | None:
    """The denoising UNet's file in a folder of published weights; None without one.

    Raises
    ------
    WeightsError : the folder has two
    """
    found = [path for file in _FILES.values() if (path := folder / file).is_file()]
    if len(found) > 1:
        raise WeightsError(
            f"--model {folder}: holds both {' and '.join(path.name for path in found)}; give the path of one"
        )
    return found[0] if found else None


def is_accelerated(path: Path) -> bool:
    """Whether a denoising UNet's file is the accelerated one for few steps; only its name differs."""
    return path.name == _FILES[ACCELERATED]


def parts(unet: Checkpoint, progress: weights.Progress | None, fetch: bool) -> tuple[tuple[str, Checkpoint], ...]:
    """(role, checkpoint) of a denoising UNet's companions: files beside it, or else the registered ones.

    Raises
    ------
    WeightsError : not available; the motion module beside a user's file is missing
    """
    fast = unet.name == ACCELERATED if unet.registered else is_accelerated(Path(unet.given))
    file, name = _MOTION[ACCELERATED if fast else NORMAL]
    found = [(role, _part(unet, *where, progress, fetch)) for role, where in _PARTS.items()]
    if unet.registered is None and _companion(unet, (file,)) is None:
        raise WeightsError(
            f"{Path(unet.given).with_name(file)}: not there; the denoising UNet does not work without it"
        )
    return (*found, (MOTION, _part(unet, (file,), name, progress, fetch)))


def _part(
    unet: Checkpoint, paths: tuple[str, ...], name: str, progress: weights.Progress | None, fetch: bool
) -> Checkpoint:
    companions = _companion(unet, paths)
    return Checkpoint.of(companions) if companions else weights.by_name(name, progress, fetch)


def _companion(unet: Checkpoint, paths: tuple[str, ...]) -> Path | None:
    if unet.registered is not None:
        return None
    folder = Path(unet.given).parent
    return next((path for path_in_folder in paths if (path := folder / path_in_folder).is_file()), None)
