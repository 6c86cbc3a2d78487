"""GFPGAN v1.4 (Wang et al. 2021, arXiv:2101.04061) for video: fixed noise, faces in batches, low precision where it pays.

The network is spandrel's, which is the published code. What is changed for speed gives the same sums: a modulated convolution scales
its input and output instead of its kernel, so that a batch of faces is one plain convolution.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from lipsync_ray.errors import CheckpointError
from lipsync_ray.faces.align import SIDE
from lipsync_ray.models import weights
from lipsync_ray.models.batched import Batched
from lipsync_ray.models.checkpoint import compare, load_into, read_state
from lipsync_ray.models.precision import Precision, dtype_of

U8 = NDArray[np.uint8]

CPU_BATCH = 2
GPU_BATCH = 16


def resolve(given: str, progress: weights.Progress | None = None, fetch: bool = True) -> weights.Checkpoint:
    """What ``--restore`` says: the registered weights, fetched where they must be and `fetch` says so, or a path.

    Raises
    ------
    WeightsError : not here and not to be had
    CheckpointError : a given file holds another network
    """
    checkpoint = weights.named_or_path("--restore", given, "restorer", progress, fetch)
    if checkpoint.registered is None:
        path = checkpoint.here()
        state = read_state(path)
        with torch.device("meta"):
            compare(_network(state, str(path)), state, str(path))
    return checkpoint


class Restorer(Batched):
    """A loaded GFPGAN.

    Parameters
    ----------
    path : checkpoint
    device : "cpu", "cuda", …
    precision : "auto" is fp16 on a GPU, bf16 on a CPU that multiplies in it, else fp32
    batch : faces a pass; None for the device's default

    Raises
    ------
    WeightsError, CheckpointError
    """

    def __init__(self, path: Path, device: str, precision: Precision = "auto", batch: int | None = None) -> None:
        super().__init__(device, batch, CPU_BATCH, GPU_BATCH)
        state = read_state(path)
        network = _network(state, str(path))
        load_into(network, state, str(path))
        self.dtype = dtype_of(precision, self.device)
        self.network = prepared(network, self.device, self.dtype)

    def __call__(self, faces: U8) -> U8:
        """Restore aligned faces.

        Parameters
        ----------
        faces : (n, 512, 512, 3) uint8 BGR

        Returns
        -------
        (n, 512, 512, 3) uint8 BGR
        """
        if faces.shape[1:] != (SIDE, SIDE, 3):
            raise ValueError(f"expected (n, {SIDE}, {SIDE}, 3); got {faces.shape}")
        return self.passes(self._pass, faces, none=faces)

    @torch.inference_mode()
    def _pass(self, faces: U8) -> Tensor:
        rgb = self.upload(faces).flip(3).permute(0, 3, 1, 2)
        image = (rgb.float() / 127.5 - 1).to(self.dtype).contiguous(memory_format=torch.channels_last)
        out: Tensor = self.network(image, return_rgb=False, randomize_noise=False)[0].float()
        levels = ((out.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
        return levels.flip(1).permute(0, 2, 3, 1)[: len(faces)].contiguous()


class Modulated(nn.Module):
    """spandrel's ModulatedConv2d, with style applied to input and output instead of to the kernel.

    conv(x, w · s) · d = conv(x · s, w) · d, where d is the demodulation: the kernel stays constant, and a batch needs no
    groups. Upsampling is bilinear, channel by channel, and commutes with both.
    """

    def __init__(self, original: Any) -> None:
        super().__init__()
        self.modulation = original.modulation
        self.weight = nn.Parameter(original.weight[0])
        self.padding, self.eps = original.padding, original.eps
        self.up = original.sample_mode == "upsample"
        squares = self.weight.detach().pow(2).sum(dim=(2, 3)) if original.demodulate else None
        self.register_buffer("squares", squares, persistent=False)  # (out, in)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """(B, in, h, w) features and (B, 512) style to (B, out, h′, w′)."""
        scale = self.modulation(style)
        x = x * scale[:, :, None, None]
        if self.up:
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        out = F.conv2d(x, self.weight, padding=self.padding)
        squares = self.get_buffer("squares") if "squares" in self._buffers and self.squares is not None else None
        if squares is not None:
            # In float32: a sum of 512 squares, and its root, decide the brightness of a whole channel.
            norm = torch.rsqrt(scale.float().pow(2) @ squares.float().T + self.eps)
            out = out * norm.to(out.dtype)[:, :, None, None]
        return out


class ToRgb(nn.Module):
    """spandrel's ToRGB in float32: eight layers add up to the picture, and bfloat16 has no room for grey levels."""

    def __init__(self, original: Any) -> None:
        super().__init__()
        self.modulated_conv = Modulated(original.modulated_conv)
        self.bias, self.upsample = original.bias, original.upsample

    def forward(self, x: Tensor, style: Tensor, skip: Tensor | None = None) -> Tensor:
        """(B, c, h, w) features to (B, 3, h, w), added to the picture of half the size."""
        out: Tensor = self.modulated_conv(x.float(), style.float()) + self.bias
        if skip is not None:
            if self.upsample:
                skip = F.interpolate(skip, scale_factor=2, mode="bilinear", align_corners=False)
            out = out + skip
        return out


def prepared(network: Any, device: torch.device, dtype: torch.dtype) -> Any:
    """spandrel's network for inference on a device in ``dtype``; the picture itself adds up in float32."""
    network.eval()
    decoder = network.stylegan_decoder
    decoder.style_conv1.modulated_conv = Modulated(decoder.style_conv1.modulated_conv)
    for conv in decoder.style_convs:
        conv.modulated_conv = Modulated(conv.modulated_conv)
    decoder.to_rgb1 = ToRgb(decoder.to_rgb1)
    decoder.to_rgbs = nn.ModuleList(ToRgb(layer) for layer in decoder.to_rgbs)
    # spandrel flattens these features with view(), which wants them row by row.
    network.final_conv.register_forward_hook(lambda _module, _input, out: out.contiguous())
    network.to(device=device, dtype=dtype, memory_format=torch.channels_last)
    for layer in (decoder.to_rgb1, *decoder.to_rgbs):
        layer.float()
    return network.requires_grad_(False)


def _network(state: dict[str, Tensor], source: str) -> Any:
    """An empty network of the size that a state dict has: v1.4's, or a narrower one."""
    from spandrel.architectures.GFPGAN import GFPGAN

    try:
        style = state["stylegan_decoder.style_mlp.1.weight"].shape[0]
        deepest = state["stylegan_decoder.constant_input.weight"].shape[1]
        widest = state["stylegan_decoder.to_rgbs.6.modulated_conv.weight"].shape[2]
    except (KeyError, IndexError) as error:
        raise CheckpointError(
            f"{source}: not a checkpoint of GFPGANv1Clean at 512 × 512 (GFPGAN v1.2 to v1.4): no entry {error}"
        ) from error
    narrow = deepest / 512
    return GFPGAN(
        out_size=SIDE,
        num_style_feat=style,
        channel_multiplier=max(1, round(widest / (32 * narrow))),
        narrow=narrow,
    )
