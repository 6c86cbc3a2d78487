"""Every network on a GPU, one command: frames/s by batch, precision and way to run it, memory, copies, equality, the whole dub.

    python benchmarks/gpu.py [--seconds 1] [--only wav2lip …] [--json gpu.json] [--dub 600] [--device cuda]

The first part needs CUDA, torch and this repository, no Ray and no network: weights are random, of the published sizes. Networks
whose packages are not installed (GFPGAN's, MuseTalk's) are left out, and said to be. Prints Markdown.

* items/s, ms a pass, TFLOP/s, and that as a share of what the same card reaches on a large product of matrices in that precision
* ways: as it is; channels last; a CUDA graph of it; torch.compile
* models as a stage calls them, uint8 in and out, copies included, and what they draw beside the same on a CPU in fp32
* ``--dub SECONDS``: a dub of so long a 720p video through Ray, decoded on CPUs and by ``--decoder cuda``, how busy the GPU was meanwhile (nvidia-smi) and how many CPU cores
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any


def parsed() -> argparse.Namespace:
    """The command's arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=1.0, help="of each measurement")
    parser.add_argument("--only", nargs="*", default=[], help="networks whose names begin so")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--dub", type=float, default=0.0)
    parser.add_argument("--quick", action="store_true", help="smallest batches alone")
    parser.add_argument("--device", default="cuda")
    return parser.parse_args()


if __name__ == "__main__":
    ARGUMENTS = parsed()  # before imports that take seconds

import numpy as np
import torch

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
from material import new_gfpgan, repeated_video
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from lipsync_ray.compute import device_of

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
WAYS = ("as it is", "channels last", "graph", "compiled")
RNG = np.random.default_rng(0)


@dataclass(frozen=True)
class Network:
    """One to measure: how it is made, what a batch of so many looks like, which batches."""

    name: str
    make: Callable[[], nn.Module]
    inputs: Callable[[int], tuple[Tensor, ...]]
    batches: tuple[int, ...]


@dataclass(frozen=True)
class Measured:
    """One line of the table."""

    network: str
    batch: int
    precision: str
    way: str
    per_s: float
    ms: float
    tflops: float
    share: float
    memory_gb: float
    note: str = ""


class _Sample(nn.Module):
    """A diffusers network by its sample alone."""

    def __init__(self, network: Any, call: Callable[..., Any]) -> None:
        super().__init__()
        self.network, self.call = network, call

    def forward(self, *inputs: Tensor) -> Tensor:
        out: Tensor = self.call(self.network, *inputs)
        return out


def networks() -> Iterator[Network]:
    """Those whose packages are here."""
    from lipsync_ray.models.syncnet import SyncNet, Towers
    from lipsync_ray.models.wav2lip import Wav2Lip

    def lips(batch: int) -> tuple[Tensor, ...]:
        return torch.randn(batch, 1, 80, 16), torch.rand(batch, 6, 96, 96)

    yield Network("wav2lip", Wav2Lip, lips, (16, 64, 128, 256))
    syncnet = _of_syncnet(Towers(SyncNet()))
    yield Network("syncnet lips", syncnet, lambda batch: (torch.rand(batch, 15, 224, 224) * 255,), (16, 64))
    yield Network("gfpgan", _gfpgan, lambda b: (torch.rand(b, 3, 512, 512),), (1, 8))
    try:
        yield from _musetalk()
    except ImportError as error:
        print(f"musetalk: left out ({error})")


def _of_syncnet(towers: nn.Module) -> Callable[[], nn.Module]:
    return lambda: _Sample(towers, lambda network, frames: network.encode_video(frames))


def _gfpgan() -> nn.Module:
    return _Sample(new_gfpgan(), lambda net, faces: net(faces, return_rgb=False, randomize_noise=False)[0])


def _musetalk() -> Iterator[Network]:
    from diffusers import AutoencoderKL, UNet2DConditionModel

    from lipsync_ray.models.musetalk_files import UNET_CONFIG, VAE_CONFIG

    def unet() -> nn.Module:
        zero = torch.zeros(1, dtype=torch.long)
        return _Sample(
            UNet2DConditionModel(**UNET_CONFIG), lambda net, x, heard: net(x, zero.to(x.device), heard).sample
        )

    def vae(call: Callable[..., Any]) -> Callable[[], nn.Module]:
        return lambda: _Sample(AutoencoderKL(**VAE_CONFIG), call)

    yield Network("musetalk unet", unet, lambda b: (torch.randn(b, 8, 32, 32), torch.randn(b, 50, 384)), (4, 16))
    decode = vae(lambda net, x: net.decode(x).sample)
    encode = vae(lambda net, x: net.encode(x).latent_dist.mode())
    yield Network("musetalk decoder", decode, lambda b: (torch.randn(b, 4, 32, 32),), (4, 16))
    yield Network("musetalk encoder", encode, lambda b: (torch.randn(b, 3, 256, 256),), (4, 16))


def synchronise(device: torch.device) -> None:
    """Wait for what the device has been given."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def timed(call: Callable[[], Any], device: torch.device, seconds: float) -> float:
    """Seconds a call."""
    for _ in range(2):
        call()
    synchronise(device)
    began, count = time.perf_counter(), 0
    while count < 3 or time.perf_counter() - began < seconds:
        call()
        count += 1
        if count % 8 == 0:
            synchronise(device)
    synchronise(device)
    return (time.perf_counter() - began) / count


def peak_tflops(device: torch.device, dtype: torch.dtype, seconds: float) -> float:
    """What the device reaches on a product of large square matrices."""
    side = 8192 if device.type == "cuda" else 1024
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    return 2 * side**3 / timed(lambda: a @ b, device, seconds) / 1e12


def flops_of(network: nn.Module, inputs: tuple[Tensor, ...]) -> int:
    """Of one pass."""
    with FlopCounterMode(display=False) as counter:
        network(*inputs)
    return int(counter.get_total_flops())


def graph_of(network: nn.Module, inputs: tuple[Tensor, ...]) -> Callable[[], Any]:
    """A pass that the GPU was told once."""
    side: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            network(*inputs)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        network(*inputs)
    return graph.replay


@torch.inference_mode()
def measure(network: Network, device: torch.device, seconds: float, peaks: dict[str, float]) -> Iterator[Measured]:
    """A network at every batch, precision and way."""
    for precision, dtype in PRECISIONS.items():
        if device.type == "cpu" and precision == "fp16":
            continue
        ready = network.make().eval().to(device, dtype)
        flops = flops_of(ready, tuple(t.to(device, dtype) for t in network.inputs(1)))
        for way in WAYS if device.type == "cuda" else WAYS[:2]:
            for batch in network.batches:
                try:
                    yield _one(network, ready, device, seconds, peaks, precision, way, batch, flops)
                except Exception as error:
                    said = str(error).strip().splitlines()
                    note = f"{type(error).__name__}: {said[0][:80] if said else ''}"
                    yield Measured(network.name, batch, precision, way, 0, 0, 0, 0, 0, note)
        del ready


def _one(
    network: Network, ready: nn.Module, device: torch.device, seconds: float, peaks: dict[str, float], precision: str,
    way: str, batch: int, flops: int,
) -> Measured:  # fmt: skip
    last = way != WAYS[0]
    layout = torch.channels_last if last else torch.contiguous_format
    ready.to(memory_format=layout)
    inputs = tuple(
        t.to(device, PRECISIONS[precision], memory_format=layout) if t.ndim == 4 else t.to(device, PRECISIONS[precision])
        for t in network.inputs(batch)
    )  # fmt: skip
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    if way == "graph":
        call = graph_of(ready, inputs)
    elif way == "compiled":
        compiled = torch.compile(ready)
        call = lambda: compiled(*inputs)  # noqa: E731
    else:
        call = lambda: ready(*inputs)  # noqa: E731
    took = timed(call, device, seconds)
    tflops = flops * batch / took / 1e12
    memory = torch.cuda.max_memory_allocated() / 1e9 if device.type == "cuda" else 0.0
    return Measured(
        network.name, batch, precision, way, batch / took, 1000 * took, tflops, tflops / peaks[precision], memory
    )


def copies(device: torch.device, seconds: float) -> list[tuple[str, float]]:
    """(way, GB/s) of copies of 64 MB between host and device."""
    if device.type == "cpu":
        return []
    size = 64 * 2**20
    there, plain = torch.empty(size, dtype=torch.uint8, device=device), torch.empty(size, dtype=torch.uint8)
    pinned = plain.pin_memory()
    ways: dict[str, Callable[[], Any]] = {
        "to the device": lambda: there.copy_(plain),
        "to the device, pinned": lambda: there.copy_(pinned, non_blocking=True),
        "from the device": lambda: plain.copy_(there),
        "from the device, pinned": lambda: pinned.copy_(there, non_blocking=True),
    }
    return [(name, size / timed(call, device, seconds) / 1e9) for name, call in ways.items()]


def as_called(device: str, seconds: float, quick: bool) -> list[dict[str, Any]]:
    """The generator as its stage calls it: items/s, and how far its pictures are from a CPU's in fp32."""
    from lipsync_ray.models.generators import LipModel
    from lipsync_ray.models.wav2lip import Wav2Lip

    out = []
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "random.pth"
        torch.manual_seed(0)
        torch.save(Wav2Lip().state_dict(), path)
        count = 32 if quick else 512
        crops = RNG.integers(0, 256, (count, 96, 96, 3), np.uint8)
        mels = RNG.uniform(-4, 4, (count, 80, 16)).astype(np.float32)
        wanted = LipModel(path, "cpu", "fp32", 16)(crops[:16], mels[:16]).astype(int)
        for precision in ("fp32", "bf16") if device == "cpu" else ("fp32", "bf16", "fp16"):
            for batch in (16,) if quick else (64, 128, 256, 512):
                model = LipModel(path, device, precision, batch)
                differ = np.abs(model(crops[:16], mels[:16]) - wanted)
                took = timed(partial(model, crops, mels), torch.device(device), seconds)
                row = {"precision": precision, "batch": batch, "per_s": count / took}
                out.append(row | {"mean_levels": float(differ.mean()), "most_levels": int(differ.max())})
    return out


@contextmanager
def watched(readings: list[tuple[float, float]]) -> Iterator[None]:
    """(GPU busy in %, CPU cores in use), twice a second meanwhile."""
    import psutil

    stop = threading.Event()
    query = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]

    def watch() -> None:
        psutil.cpu_percent()
        while not stop.wait(0.5):
            cores = psutil.cpu_percent() / 100 * (psutil.cpu_count() or 1)
            try:
                told = subprocess.run(query, capture_output=True, text=True, check=True).stdout.split()
                busy = float(np.mean([float(value) for value in told]))
            except (OSError, subprocess.CalledProcessError, ValueError):
                busy = float("nan")
            readings.append((busy, cores))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def whole_dub(seconds: float, decoders: tuple[str, ...]) -> list[dict[str, Any]]:
    """A dub of a 720p video through Ray, with random weights of Wav2Lip's size, by each decoder."""
    import av

    from lipsync_ray.demo.corpus import make_corpus
    from lipsync_ray.models.wav2lip import Wav2Lip

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        torch.save(Wav2Lip().state_dict(), folder / "random.pth")
        make_corpus(folder / "in")
        with av.open(str(folder / "in" / "pan.mp4")) as source, av.open(str(folder / "720.mp4"), "w") as target:
            stream: Any = target.add_stream("libx264", rate=25, options={"crf": "20"})
            stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
            for number, frame in enumerate(source.decode(video=0)):
                scaled = frame.reformat(720, 720, "rgb24").to_ndarray()
                wide = np.pad(scaled, ((0, 0), (280, 280), (0, 0)), mode="edge")
                picture = av.VideoFrame.from_ndarray(wide, "rgb24")
                picture.pts = number
                target.mux(stream.encode(picture))
            target.mux(stream.encode(None))
        repeated_video(str(folder / "720.mp4"), str(folder / "long.mp4"), seconds)
        table = folder / "one.csv"
        table.write_text(f"id,video,audio\nlong,{folder / 'long.mp4'},{folder / 'in' / 'en.ogg'}\n")
        return [_dubbed(table, folder, decoder) for decoder in decoders]


def _dubbed(table: Path, folder: Path, decoder: str) -> dict[str, Any]:
    """One dub, watched; by another decoder it is another dub, whose faces are found already."""
    import lipsync_ray

    model = str(folder / "random.pth")
    settings = lipsync_ray.DubSettings(model=model, length="video", decoder=decoder)  # type: ignore[arg-type]
    readings: list[tuple[float, float]] = []
    with watched(readings):
        began = time.perf_counter()
        summary = lipsync_ray.dub_table(table, folder / "out", settings=settings)
        took = time.perf_counter() - began
    done = summary.results[0]
    if done.status != "done":
        return {"decoder": decoder, "error": done.error}
    record = json.loads((folder / "out" / "run.json").read_text())
    lips = next(one for one in record["passes"] if one["name"] == "lips")
    busy, cores = (np.array(values) for values in zip(*readings, strict=True))
    told = np.isfinite(busy)
    return {
        "decoder": decoder, "frames": done.frames, "seconds": took, "per_s": (done.frames or 0) / took,
        "stages": lips["stages"], "gpu_busy_percent": float(busy[told].mean()) if told.any() else None,
        "cpu_cores": float(cores.mean()), "gpu_mb": done.gpu_mb,
    }  # fmt: skip


def markdown(head: list[str], rows: list[list[str]]) -> str:
    """A table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def main(asked: argparse.Namespace) -> None:
    device = device_of(asked.device)
    name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    print(f"{name}, torch {torch.__version__}, CUDA {torch.version.cuda}; deterministic, no TF32\n")
    peaks = {
        p: peak_tflops(device, t, asked.seconds) for p, t in PRECISIONS.items() if device.type == "cuda" or p != "fp16"
    }
    print("Product of matrices, TFLOP/s: " + ", ".join(f"{p} {value:.1f}" for p, value in peaks.items()) + "\n")
    found: list[Measured] = []
    for network in networks():
        if asked.only and not any(network.name.startswith(some) for some in asked.only):
            continue
        small = Network(network.name, network.make, network.inputs, network.batches[:1])
        found += measure(small if asked.quick else network, device, asked.seconds, peaks)
    head = ["network", "batch", "precision", "way", "items/s", "ms a pass", "TFLOP/s", "of its product", "GB", ""]
    print(markdown(head, [_cells(one) for one in found]))
    moved = copies(device, asked.seconds)
    print(markdown(["copy of 64 MB", "GB/s"], [[way, f"{rate:.1f}"] for way, rate in moved]) if moved else "")
    called = [] if asked.only and "wav2lip" not in asked.only else as_called(asked.device, asked.seconds, asked.quick)
    rows = [[str(row["precision"]), str(row["batch"]), f"{row['per_s']:,.0f}", f"{row['mean_levels']:.3f}", str(row["most_levels"])] for row in called]  # fmt: skip
    print(markdown(["Wav2Lip as called", "batch", "frames/s", "mean levels from a CPU's fp32", "most"], rows))
    decoders = ("cpu", "cuda") if device.type == "cuda" else ("cpu",)
    there = importlib.util.find_spec("ray") is not None
    dubbed = whole_dub(asked.dub, decoders) if asked.dub and there else []
    if dubbed:
        head = ["whole dub, decoder", "frames", "s", "frames/s", "GPU busy, %", "CPU cores", "GPU, MB", ""]
        names = ("decoder", "frames", "seconds", "per_s", "gpu_busy_percent", "cpu_cores", "gpu_mb", "error")
        print(markdown(head, [[_number(one.get(name)) for name in names] for one in dubbed]))
    elif asked.dub:
        print("whole dub: not run, Ray is not installed\n")
    if asked.json:
        told = {"device": name, "torch": torch.__version__, "peaks": peaks, "networks": [asdict(one) for one in found]}
        asked.json.write_text(json.dumps(told | {"copies": moved, "as_called": called, "dub": dubbed}, indent=1))


def _number(value: Any) -> str:
    return "" if value is None else f"{value:.1f}" if isinstance(value, float) else str(value)


def _cells(one: Measured) -> list[str]:
    if one.note:
        return [one.network, str(one.batch), one.precision, one.way, "", "", "", "", "", one.note]
    numbers = (f"{one.per_s:,.0f}", f"{one.ms:.2f}", f"{one.tflops:.1f}", f"{one.share:.0%}", f"{one.memory_gb:.2f}")
    return [one.network, str(one.batch), one.precision, one.way, *numbers, ""]


if __name__ == "__main__":
    main(ARGUMENTS)
