"""BiSeNet (Yu et al. 2018, arXiv:1808.00897) as zllrunning/face-parsing.PyTorch trained it: a class for each pixel of a face."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from lipsync_ray.compute import device_of
from lipsync_ray.models.checkpoint import load_into, read_state
from lipsync_ray.models.precision import Precision, dtype_of
from lipsync_ray.models.weights import Checkpoint

U8 = NDArray[np.uint8]

CLASSES = 19
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet


class _Conv(nn.Module):
    def __init__(self, inside: int, outside: int, kernel: int = 3, padding: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inside, outside, kernel, 1, padding, bias=False)
        self.bn = nn.BatchNorm2d(outside)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


class _Block(nn.Module):
    def __init__(self, inside: int, outside: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inside, outside, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outside)
        self.conv2 = nn.Conv2d(outside, outside, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outside)
        self.downsample = None
        if stride != 1 or inside != outside:
            self.downsample = nn.Sequential(nn.Conv2d(inside, outside, 1, stride, bias=False), nn.BatchNorm2d(outside))

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(out + (x if self.downsample is None else self.downsample(x)))


class _Resnet18(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        wide = (64, 64, 128, 256, 512)
        self.layer1, self.layer2, self.layer3, self.layer4 = (
            nn.Sequential(
                _Block(wide[layer], wide[layer + 1], 2 if layer else 1), _Block(wide[layer + 1], wide[layer + 1])
            )
            for layer in range(4)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        eighth = self.layer2(self.layer1(x))
        sixteenth = self.layer3(eighth)
        return eighth, sixteenth, self.layer4(sixteenth)


class _Attention(nn.Module):
    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.conv = _Conv(inside, outside)
        self.conv_atten = nn.Conv2d(outside, outside, 1, bias=False)
        self.bn_atten = nn.BatchNorm2d(outside)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.conv(x)
        weight: Tensor = self.bn_atten(self.conv_atten(found.mean((2, 3), keepdim=True))).sigmoid()
        return found * weight


class _Context(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.resnet = _Resnet18()
        self.arm16, self.arm32 = _Attention(256, 128), _Attention(512, 128)
        self.conv_head32, self.conv_head16 = _Conv(128, 128), _Conv(128, 128)
        self.conv_avg = _Conv(512, 128, 1, 0)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        eighth, sixteenth, last = self.resnet(x)
        whole = self.conv_avg(last.mean((2, 3), keepdim=True))
        low = self.arm32(last) + whole
        low = self.conv_head32(F.interpolate(low, sixteenth.shape[2:], mode="nearest"))
        middle = self.arm16(sixteenth) + low
        return eighth, self.conv_head16(F.interpolate(middle, eighth.shape[2:], mode="nearest"))


class _Fusion(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.convblk = _Conv(256, 256, 1, 0)
        self.conv1 = nn.Conv2d(256, 64, 1, bias=False)
        self.conv2 = nn.Conv2d(64, 256, 1, bias=False)

    def forward(self, detail: Tensor, context: Tensor) -> Tensor:
        both: Tensor = self.convblk(torch.cat((detail, context), 1))
        weight: Tensor = self.conv2(F.relu(self.conv1(both.mean((2, 3), keepdim=True)))).sigmoid()
        return both + both * weight


class _Head(nn.Module):
    def __init__(self, inside: int, middle: int) -> None:
        super().__init__()
        self.conv = _Conv(inside, middle)
        self.conv_out = nn.Conv2d(middle, CLASSES, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv_out(self.conv(x))
        return out


class BiSeNet(nn.Module):
    """The network. Two of its heads only taught it; their entries are in the published file."""

    def __init__(self) -> None:
        super().__init__()
        self.cp = _Context()
        self.ffm = _Fusion()
        self.conv_out, self.conv_out16, self.conv_out32 = _Head(256, 256), _Head(128, 64), _Head(128, 64)

    def forward(self, x: Tensor) -> Tensor:
        """(n, 3, 512, 512) float32, normalised as ImageNet's, to (n, 19, 512, 512) float32."""
        out = self.conv_out(self.ffm(*self.cp(x)))
        return F.interpolate(out, x.shape[2:], mode="bilinear", align_corners=True)


class FaceParser:
    """A loaded BiSeNet; one face a pass.

    Raises
    ------
    WeightsError, CheckpointError
    """

    def __init__(self, checkpoint: Checkpoint, device: str, precision: Precision = "auto") -> None:
        self._device = device_of(device)
        self._dtype = dtype_of(precision, self._device)
        path = checkpoint.here()
        network = BiSeNet()
        load_into(network, read_state(path), str(path))
        ready = network.to(device=self._device, dtype=self._dtype, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._network = ready.eval().requires_grad_(False)

    @torch.inference_mode()
    def __call__(self, face: U8) -> U8:
        """The class of each pixel.

        Parameters
        ----------
        face : (512, 512, 3) uint8 BGR, with its surroundings

        Returns
        -------
        (512, 512) uint8: 0 background, 1 skin, 10 nose, 11 mouth, 12 upper and 13 lower lip, 14 neck, …
        """
        rgb = torch.from_numpy(np.ascontiguousarray(face[..., ::-1])).to(self._device).permute(2, 0, 1)[None]
        mean, std = (torch.tensor(values, device=self._device)[:, None, None] for values in (_MEAN, _STD))
        image = ((rgb.float() / 255 - mean) / std).to(self._dtype).contiguous(memory_format=torch.channels_last)
        return np.asarray(self._network(image).argmax(dim=1)[0].to(torch.uint8).cpu().numpy(), np.uint8)
