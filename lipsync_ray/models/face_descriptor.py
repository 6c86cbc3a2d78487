"""dlib's face recognition network (ResNet-29): a face to 128 numbers, whose distance is small for one person.

Trained and published by Davis King (dlib_face_recognition_resnet_model_v1, public domain). The weights are those of
face-api in 8 bits (@vladmandic/face-api 1.7.15, MIT), converted by ``tools/convert_face_api.py``. dlib treats faces
less than 0.6 apart as one person.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from lipsync_ray.compute import device_of
from lipsync_ray.faces.identity import SIZE, aligned_face
from lipsync_ray.media.picture import U8
from lipsync_ray.models.checkpoint import load_into, read_state
from lipsync_ray.models.weights import by_name

F32 = NDArray[np.float32]

_MEAN = (122.782, 117.001, 104.298)  # RGB levels
# Channels of each block, and whether it halves the picture
_BLOCKS = (
    *((32, 32, False),) * 3, (32, 64, True), *((64, 64, False),) * 3, (64, 128, True), *((128, 128, False),) * 2,
    (128, 256, True), *((256, 256, False),) * 2, (256, 256, True),
)  # fmt: skip


class _Block(nn.Module):
    """Two 3×3 convolutions with a shortcut, which halves by average pooling and pads new channels with zeros."""

    def __init__(self, into: int, out: int, halves: bool) -> None:
        super().__init__()
        self.first = nn.Conv2d(into, out, 3, 2 if halves else 1, 0 if halves else 1)
        self.second = nn.Conv2d(out, out, 3, padding=1)
        self.halves = halves

    def forward(self, x: Tensor) -> Tensor:
        drawn = self.second(F.relu(self.first(x)))
        skip = F.avg_pool2d(x, 2) if self.halves else x
        # With odd sides, only one branch drops the last row.
        tall, wide = (max(drawn.shape[i], skip.shape[i]) for i in (2, 3))
        return F.relu(_filled(drawn, drawn.shape[1], tall, wide) + _filled(skip, drawn.shape[1], tall, wide))


def _filled(x: Tensor, channels: int, tall: int, wide: int) -> Tensor:
    return F.pad(x, (0, wide - x.shape[3], 0, tall - x.shape[2], 0, channels - x.shape[1]))


class FaceDescriptor(nn.Module):
    """5.6 M parameters. ``forward``: (n, 3, 150, 150) RGB, 0–255, of an aligned face, to (n, 128)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 7, 2)
        self.blocks = nn.Sequential(*(_Block(*shape) for shape in _BLOCKS))
        self.out = nn.Linear(256, SIZE, bias=False)

    def forward(self, pictures: Tensor) -> Tensor:
        mean = torch.tensor(_MEAN, device=pictures.device)[:, None, None]
        x = F.max_pool2d(F.relu(self.stem((pictures - mean) / 255)), 3, 2)
        described: Tensor = self.out(self.blocks(x).mean((2, 3)))
        return described


def unpacked(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Dequantise weights: `name` is uint8; `name.range` (outputs, 2) has the lowest value and the step."""
    plain = {name: tensor for name, tensor in state.items() if not name.endswith(".range")}
    for name, tensor in plain.items():
        if tensor.dtype == torch.uint8:
            lowest, step = (part.view(-1, *(1,) * (tensor.ndim - 1)) for part in state[f"{name}.range"].unbind(1))
            plain[name] = lowest + step * tensor.float()
    return plain


class Describer:
    """The loaded network.

    Raises
    ------
    WeightsError, CheckpointError
    """

    def __init__(self, device: str) -> None:
        self._device = device_of(device)
        path = by_name("face-descriptor").here()
        network = FaceDescriptor()
        load_into(network, unpacked(read_state(path)), str(path))
        self._network = network.eval().requires_grad_(False).to(self._device)

    @torch.inference_mode()
    def __call__(self, frame: U8, landmarks: Iterable[F32]) -> F32:
        """(n, 128) float32 descriptors of faces with (5, 2) landmarks in (h, w, 3) uint8 RGB.

        Faces are processed one by one, so a descriptor does not depend on the other faces.
        """
        described = [np.zeros((0, SIZE), np.float32)]
        for points in landmarks:
            face = torch.from_numpy(aligned_face(frame, points)).to(self._device)
            described.append(self._network(face.permute(2, 0, 1)[None].float()).cpu().numpy())
        return np.concatenate(described)
