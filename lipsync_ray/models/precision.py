"""Selects the floating-point precision of networks."""

from __future__ import annotations

import torch

from lipsync_ray.errors import ModelError
from lipsync_ray.settings import Precision


def resolved(precision: Precision, device: str) -> Precision:
    """Resolve "auto" for a kind of device, by this machine's processor.

    The driver resolves it once and tells every worker, so that a video is not drawn in two precisions.
    """
    if precision != "auto":
        return precision
    name: Precision = _NAMES[dtype_of("auto", torch.device(device))]
    return name


def dtype_of(precision: Precision, device: torch.device) -> torch.dtype:
    """The torch dtype for a device; "auto" is fp16 on a GPU, bf16 on a CPU with bf16 instructions, else fp32.

    Raises
    ------
    ModelError : fp16 on a CPU
    """
    if precision == "auto":
        if device.type == "cpu":
            return torch.bfloat16 if torch.cpu._is_avx512_bf16_supported() else torch.float32
        return torch.float16
    if precision == "fp16" and device.type == "cpu":
        raise ModelError("--precision fp16 needs a GPU; on a CPU choose bf16 or fp32")
    return _TYPES[precision]


_TYPES: dict[str, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
_NAMES: dict[torch.dtype, Precision] = {kind: name for name, kind in _TYPES.items()}  # type: ignore[misc]

__all__ = ["Precision", "dtype_of", "resolved"]
