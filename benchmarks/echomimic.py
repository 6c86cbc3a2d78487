"""What a frame costs with EchoMimic, beside Wav2Lip, in one run on one machine.

    uv run --extra echomimic python benchmarks/echomimic.py [--sides 256 512] [--passes 1] [--precision auto] [--device cpu|cuda]

Networks of the published sizes with random numbers, which take the time of the published ones; a portrait and sound in memory.
On a CPU in one process on one thread, as an actor works. A frame's cost is put together from a window's pass and a decoded frame:
12 / 9 windows a frame (they overlap), times steps, times two with guidance. Memory is the device's peak on a GPU, of the process
on a CPU. Writes 4.5 GB of files to a scratch folder meanwhile.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any


def parsed() -> argparse.Namespace:
    """The command's arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sides", type=int, nargs="+", default=[256, 512])
    parser.add_argument("--passes", type=int, default=1)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--device", help="cpu or cuda; default: cuda where there is one")
    return parser.parse_args()


if __name__ == "__main__":
    ARGUMENTS = parsed()  # before imports that take seconds

import numpy as np
import torch
from musetalk import memory_gb, ms, of_wav2lip, random_state
from rich.console import Console
from rich.table import Table

from lipsync_ray.models.context_windows import CONTEXT, OVERLAP
from lipsync_ray.models.echomimic import Animator, HeadDecoder
from lipsync_ray.models.echomimic_files import DENOISING_CONFIG, REFERENCE_CONFIG, merged, parts
from lipsync_ray.models.echomimic_networks import FaceLocator, denoising_unet, reference_unet
from lipsync_ray.models.musetalk_files import AUDIO_ENCODER_CONFIG, VAE_CONFIG
from lipsync_ray.models.precision import Precision, resolved
from lipsync_ray.models.weights import Checkpoint

RNG = np.random.default_rng(0)
VARIANTS = {"echomimic": (30, 2), "echomimic-acc": (6, 1)}  # steps, passes of a window a step


def write_random(folder: Path) -> Checkpoint:
    """EchoMimic's networks as its weights are laid out, with random numbers in half precision."""
    from diffusers import AutoencoderKL
    from safetensors.torch import save_file
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    torch.manual_seed(0)
    for name in ("sd-vae-ft-mse", "whisper-tiny"):
        (folder / name).mkdir()
    with torch.device("meta"):
        unet, vae = denoising_unet(DENOISING_CONFIG), AutoencoderKL(**VAE_CONFIG)
        encoder: Any = WhisperEncoder(WhisperConfig(**AUDIO_ENCODER_CONFIG))
        reference = reference_unet(REFERENCE_CONFIG)
    state = random_state(unet)
    assert merged(state, {}).keys() == state.keys()  # diffusers' own names are read, too
    motion = {name: tensor for name, tensor in state.items() if ".motion_modules." in name}
    torch.save(
        {name: tensor for name, tensor in state.items() if name not in motion}, folder / "denoising_unet_acc.pth"
    )
    torch.save(motion, folder / "motion_module_acc.pth")
    torch.save(random_state(reference), folder / "reference_unet.pth")
    torch.save(random_state(FaceLocator()), folder / "face_locator.pth")
    save_file(random_state(vae), folder / "sd-vae-ft-mse" / "diffusion_pytorch_model.safetensors")
    heard = {f"model.encoder.{name}": tensor for name, tensor in random_state(encoder).items()}
    torch.save(heard, folder / "whisper-tiny" / "pytorch_model.bin")
    checkpoint = Checkpoint.of(folder / "denoising_unet_acc.pth")
    return Checkpoint(checkpoint.name, checkpoint.given, checkpoint.sha256, parts(checkpoint, None, False))


def of_window(model: Animator, side: int) -> tuple[Any, Any]:
    """A look at a portrait, and a pass of a window."""
    picture, mask = RNG.integers(0, 256, (side, side, 3), np.uint8), np.zeros((side, side), np.uint8)
    mask[side // 4 : 3 * side // 4, side // 4 : 3 * side // 4] = 255
    portrait = model.portrait(picture, mask)
    latents = model.start(CONTEXT, side, 0)
    heard = RNG.standard_normal((CONTEXT, 10, 5 * 384)).astype(np.float32)
    return (lambda: model.portrait(picture, mask)), (lambda: model.denoise_once(latents, heard, portrait))


def main(asked: argparse.Namespace) -> None:
    device: str = asked.device or ("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_num_threads(1)
    precision: Precision = resolved(asked.precision, device)
    table = Table(title=f"EchoMimic on {device} in {precision}")
    for name in ("", "ms", "× Wav2Lip", "peak GB"):
        table.add_column(name, justify="left" if not name else "right")
    with tempfile.TemporaryDirectory() as scratch:
        unit = ms(of_wav2lip(Path(scratch), device, precision), 3, 16 if device == "cpu" else 128)
        table.add_row("Wav2Lip, a frame of 96²", f"{unit:,.1f}", "1", f"{memory_gb(device):.1f}")
        checkpoint = write_random(Path(scratch))
        model = Animator(checkpoint, device, precision)
        decoder = HeadDecoder(checkpoint, device, precision)
        for side in asked.sides:
            memory_gb(device)
            portrait, window = (ms(call, asked.passes, 1) for call in of_window(model, side))
            latents = RNG.standard_normal((decoder.batch, 4, side // 8, side // 8)).astype(np.float32)
            decoded = ms(lambda latents=latents: decoder(latents), asked.passes, decoder.batch)  # type: ignore[misc]
            peak = memory_gb(device)
            for name, took in (
                ("the portrait, once", portrait),
                ("a window of 12", window),
                ("decoding a frame", decoded),
            ):
                table.add_row(f"{side}²: {name}", f"{took:,.0f}", "", "")
            for name, (steps, asks) in VARIANTS.items():
                frame = steps * asks * window / (CONTEXT - OVERLAP) + decoded
                table.add_row(f"{side}²: a frame of {name}", f"{frame:,.0f}", f"{frame / unit:,.0f}", f"{peak:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main(ARGUMENTS)
