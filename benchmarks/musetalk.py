"""What a frame costs with MuseTalk, its faces' latents cached or not, beside Wav2Lip, in one run on one machine.

    uv run --extra musetalk python benchmarks/musetalk.py [--batch N] [--passes 2] [--precision auto] [--device cpu|cuda]

Networks of the published sizes with random numbers, which take the time of the published ones; pictures and sound in memory,
uint8 in and out. On a CPU in one process on one thread, as an actor works. Memory is the device's peak on a GPU, of the process
on a CPU.
"""

from __future__ import annotations

import argparse
import gc
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def parsed() -> argparse.Namespace:
    """The command's arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--passes", type=int, default=2)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--device", help="cpu or cuda; default: cuda where there is one")
    return parser.parse_args()


if __name__ == "__main__":
    ARGUMENTS = parsed()  # before imports that take seconds

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from lipsync_ray.models.generators import LipModel
from lipsync_ray.models.musetalk import GPU_BATCH, LatentEncoder, MuseTalk, build_for
from lipsync_ray.models.musetalk_files import AUDIO_ENCODER_CONFIG, VAE_CONFIG, parts
from lipsync_ray.models.precision import Precision, resolved
from lipsync_ray.models.wav2lip import Wav2Lip
from lipsync_ray.models.weights import Checkpoint
from lipsync_ray.models.whisper_encoder import HiddenStates

WAV2LIP_BATCH = {"cpu": 16, "cuda": 128}
RNG = np.random.default_rng(0)


def writerandom_state(folder: Path) -> Checkpoint:
    """MuseTalk's networks as its ``models`` are laid out, with random numbers in half precision."""
    from diffusers import AutoencoderKL
    from safetensors.torch import save_file
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    torch.manual_seed(0)
    for name in ("musetalkV15", "sd-vae", "whisper"):
        (folder / name).mkdir()
    with torch.device("meta"):
        unet, vae = build_for({}, folder / "none"), AutoencoderKL(**VAE_CONFIG)
        encoder: Any = WhisperEncoder(WhisperConfig(**AUDIO_ENCODER_CONFIG))
    torch.save(random_state(unet), folder / "musetalkV15" / "unet.pth")
    save_file(random_state(vae), folder / "sd-vae" / "diffusion_pytorch_model.safetensors")
    heard = {f"model.encoder.{name}": tensor for name, tensor in random_state(encoder).items()}
    torch.save(heard, folder / "whisper" / "pytorch_model.bin")
    checkpoint = Checkpoint.of(folder / "musetalkV15" / "unet.pth")
    return Checkpoint(checkpoint.name, checkpoint.given, checkpoint.sha256, parts(checkpoint, None, False))


def random_state(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """A network's entries, of random numbers of the size that keeps what passes through them."""
    out = {}
    for name, tensor in network.state_dict().items():
        spread = 1.0 if tensor.ndim < 2 else tensor[0].numel() ** -0.5
        out[name] = (torch.randn(tensor.shape) * spread).half()
    return out


def ms(call: Callable[[], Any], passes: int, items: int) -> float:
    """Milliseconds an item, of so many passes after one that is not counted."""
    call()
    began = time.perf_counter()
    for _ in range(passes):
        call()
    return 1000 * (time.perf_counter() - began) / passes / items


def of_wav2lip(scratch: Path, device: str, precision: Precision) -> Callable[[], Any]:
    """A pass of it."""
    count = WAV2LIP_BATCH[device]
    torch.save(Wav2Lip().state_dict(), scratch / "wav2lip.pth")
    network = LipModel(scratch / "wav2lip.pth", device, precision, count)
    crops = RNG.integers(0, 256, (count, 96, 96, 3), np.uint8)
    mels = RNG.uniform(-4, 4, (count, 80, 16)).astype(np.float32)
    return lambda: network(crops, mels)


def of_encoder(checkpoint: Checkpoint, device: str, precision: Precision, batch: int) -> Callable[[], Any]:
    """A pass of it."""
    network = LatentEncoder(checkpoint, device, precision, batch)
    faces = RNG.integers(0, 256, (batch, 256, 256, 3), np.uint8)
    return lambda: network(faces)


def of_network(checkpoint: Checkpoint, device: str, precision: Precision, batch: int) -> Callable[[], Any]:
    """A pass of it."""
    network = MuseTalk(checkpoint, device, precision, batch)
    latents = RNG.standard_normal((batch, 8, 32, 32)).astype(np.float16)
    heard = RNG.standard_normal((batch, 5 * 384, 10)).astype(np.float32)
    return lambda: network(latents, heard)


def memory_gb(device: str) -> float:
    """The peak since the last call on a GPU, of the process so far on a CPU."""
    if device == "cuda":
        peak = torch.cuda.max_memory_allocated() / 1e9
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        return peak
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def main(asked: argparse.Namespace) -> None:
    device: str = asked.device or ("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_num_threads(1)
    batch = asked.batch or (GPU_BATCH if device == "cuda" else 1)
    rows: list[tuple[str, float, float]] = []
    with tempfile.TemporaryDirectory() as scratch:
        wav2lip = ms(of_wav2lip(Path(scratch), device, asked.precision), max(5, asked.passes), WAV2LIP_BATCH[device])
        rows.append(("Wav2Lip, 96²", wav2lip, memory_gb(device)))
        checkpoint = writerandom_state(Path(scratch))
        encode = ms(of_encoder(checkpoint, device, asked.precision, batch), asked.passes, batch)
        rows.append(("MuseTalk: latents of a face, once for all languages", encode, memory_gb(device)))
        draw = ms(of_network(checkpoint, device, asked.precision, batch), asked.passes, batch)
        rows.append(("MuseTalk: UNet and decoder, 256²", draw, memory_gb(device)))
        hearer = HiddenStates(checkpoint.part("hearer"))
        sound = RNG.standard_normal(480_000).astype(np.float32) * 0.1
        hear = ms(lambda: hearer(sound), max(3, asked.passes), 30 * 25)
    rows.append(("MuseTalk: Whisper's hidden states, 25 frames/s, on a CPU", hear, 0.0))
    rows.append(("MuseTalk, one language", encode + draw + hear, 0.0))
    for languages in (2, 4, 8):
        rows.append((f"MuseTalk, each of {languages} languages", encode / languages + draw + hear, 0.0))
    rows.append(("MuseTalk, latents there already", draw + hear, 0.0))
    table = Table(
        box=None,
        pad_edge=False,
        title=f"{device}, {resolved(asked.precision, device)}, batch {batch} (Wav2Lip {WAV2LIP_BATCH[device]})",
    )
    for name in ("", "ms a frame", "frames/s", "× Wav2Lip", "peak GB"):
        table.add_column(name, justify="right" if name else "left")
    for name, cost, peak in rows:
        table.add_row(
            name, f"{cost:,.2f}", f"{1000 / cost:,.2f}", f"{cost / wav2lip:,.1f}", f"{peak:.1f}" if peak else ""
        )
    Console(width=120).print(table)


if __name__ == "__main__":
    main(ARGUMENTS)
