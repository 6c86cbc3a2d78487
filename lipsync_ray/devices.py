"""What networks run on."""

from __future__ import annotations

import torch


def device_of(name: str) -> torch.device:
    """A device, by its name; a GPU is told to compute the same bits every time, and fp32 where fp32 is said.

    cuDNN's fastest transposed convolution adds up in the order in which its blocks happen to end, and its fp32
    convolution is TF32, of 10 bits, unless it is told otherwise: a video drawn after a restart would have other pixels,
    and a score other digits than on a CPU. The switches are the process's own, for every network in it.
    """
    device = torch.device(name)
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False
    return device
