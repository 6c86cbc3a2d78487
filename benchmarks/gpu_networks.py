"""Bare networks of random numbers: items/s by batch, precision and way to run them, memory, copies between host and device.

A part of `gpu.py`; it needs no Ray.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # a part of the other; it measures nothing alone
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
import small_musetalk
from material import new_gfpgan

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
WAYS = ("as it is", "channels last", "graph", "compiled")


@dataclass(frozen=True)
class Network:
    """One to measure: how it is made, what a batch of so many looks like, which batches."""

    name: str
    make: Callable[[], nn.Module]
    inputs: Callable[[int], tuple[Tensor, ...]]
    batches: tuple[int, ...]

    def few(self, count: int | None) -> Network:
        """With its smallest batch, or that and its largest; None for all, 0 for one that only shows that it runs."""
        smallest, largest = self.batches[0], self.batches[-1]
        chosen = {None: self.batches, 0: (2,), 1: (smallest,)}.get(count, (smallest, largest))
        return replace(self, batches=chosen)


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


def networks(small: bool = False) -> Iterator[Network]:
    """All of them; of small ones figures mean nothing.

    Raises
    ------
    ImportError : at the last ones, MuseTalk's, where its packages are not installed
    """
    from lipsync_ray.models.syncnet import SyncNet, Towers
    from lipsync_ray.models.wav2lip import Wav2Lip

    def lips(batch: int) -> tuple[Tensor, ...]:
        return torch.randn(batch, 1, 80, 16), torch.rand(batch, 6, 96, 96)

    yield Network("wav2lip", Wav2Lip, lips, (16, 64, 128, 256))
    syncnet = _of_syncnet(Towers(SyncNet()))
    yield Network("syncnet lips", syncnet, lambda batch: (torch.rand(batch, 15, 224, 224) * 255,), (16, 64))
    yield Network("gfpgan", partial(_gfpgan, 0.125 if small else 1.0), lambda b: (torch.rand(b, 3, 512, 512),), (1, 8))
    yield Network("mesh", _mesh, lambda b: (torch.rand(b, 3, 192, 192),), (32, 128))
    yield from _musetalk(small)


def _of_syncnet(towers: nn.Module) -> Callable[[], nn.Module]:
    return lambda: _Sample(towers, lambda network, frames: network.encode_video(frames))


def _gfpgan(narrow: float) -> nn.Module:
    network = new_gfpgan(narrow)
    # spandrel flattens these features with view(), which wants them row by row.
    network.final_conv.register_forward_hook(lambda _module, _input, out: out.contiguous())
    return _Sample(network, lambda net, faces: net(faces, return_rgb=False, randomize_noise=False)[0])


def _mesh() -> nn.Module:
    from lipsync_ray.models.face_mesh import FaceMesh

    return FaceMesh()


def _musetalk(small: bool) -> Iterator[Network]:
    from diffusers import AutoencoderKL, UNet2DConditionModel

    from lipsync_ray.models.musetalk_files import UNET_CONFIG, VAE_CONFIG

    unet_config = UNET_CONFIG | (small_musetalk.UNET if small else {})
    vae_config = VAE_CONFIG | (small_musetalk.VAE if small else {})

    def unet() -> nn.Module:
        zero = torch.zeros(1, dtype=torch.long)
        return _Sample(
            UNet2DConditionModel(**unet_config), lambda net, x, heard: net(x, zero.to(x.device), heard).sample
        )

    def vae(call: Callable[..., Any]) -> Callable[[], nn.Module]:
        return lambda: _Sample(AutoencoderKL(**vae_config), call)

    yield Network(
        "musetalk unet",
        unet,
        lambda b: (torch.randn(b, 8, 32, 32), torch.randn(b, 50, unet_config["cross_attention_dim"])),
        (4, 16),
    )
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
    side = 8192 if device.type == "cuda" else 256
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


def ways_on(device: torch.device, compiled: bool) -> tuple[str, ...]:
    """Ways of running a network that a device has, with torch.compile where that is asked for: it takes minutes."""
    if device.type != "cuda":
        return WAYS[:2]
    return WAYS if compiled else WAYS[:3]


@torch.inference_mode()
def measured(
    network: Network, device: torch.device, seconds: float, peaks: dict[str, float], precision: str,
    ways: tuple[str, ...],
) -> list[Measured]:  # fmt: skip
    """A network in one precision, at every batch and way."""
    dtype = PRECISIONS[precision]
    ready = network.make().eval().to(device, dtype)
    flops = flops_of(ready, tuple(t.to(device, dtype) for t in network.inputs(1)))
    out = []
    for way in ways:
        for batch in network.batches:
            try:
                out.append(_one(network, ready, device, seconds, peaks, precision, way, batch, flops))
            except Exception as error:
                lines = str(error).strip().splitlines()
                note = f"{type(error).__name__}: {lines[0][:80] if lines else ''}"
                out.append(Measured(network.name, batch, precision, way, 0, 0, 0, 0, 0, note))
    return out


def _one(
    network: Network, ready: nn.Module, device: torch.device, seconds: float, peaks: dict[str, float], precision: str,
    way: str, batch: int, flops: int,
) -> Measured:  # fmt: skip
    last = way != WAYS[0]
    layout = torch.channels_last if last else torch.contiguous_format
    for weight in ready.parameters():
        if weight.ndim == 4:  # GFPGAN also has some of five axes, which have no such layout
            weight.data = weight.data.contiguous(memory_format=layout)
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
