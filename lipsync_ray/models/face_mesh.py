"""MediaPipe's face mesh with attention for the lips: 468 landmarks of a face, 80 of them refined.

The network of mediapipe 0.10.21 (Apache-2.0; Grishchenko et al., "Attention Mesh", arXiv 2006.10962), reimplemented in
torch. Its weights are converted by ``tools/convert_mediapipe.py`` (models/data/MODEL_CARD.md). The eye branches are
left out.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from lipsync_ray.faces.mesh import LIPS
from lipsync_ray.faces.mesh import SQUARE as SIDE
from lipsync_ray.models.batched import Batched
from lipsync_ray.models.checkpoint import bundled

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]

POINTS = 468
_CORNERS = (61, 291)  # corners of the mouth, which give the rotation of the lips' square
_WINDOW, _WINDOW_SIZE = 16, 1.5  # cells of the lips' square; its size relative to the lips
_STEP = 4  # pixels per cell of the feature map that it is cut from
_SHALLOW = ((32, 32, 1), (32, 32, 1), (32, 64, 2), (64, 64, 1), (64, 64, 1))  # input channels, output channels, stride
_DEEP = ((64, 128, 2), (128, 128, 1), (128, 128, 1), (128, 128, 2), (128, 128, 1), (128, 128, 1))
_TRUNK = ((16, 16, 1), (16, 16, 1), (16, 32, 2), *_SHALLOW, *_DEEP, (128, 128, 2), (128, 128, 1), (128, 128, 1))
_BRANCHING = 3  # blocks before the feature map of the lips
_LIPS = (*_SHALLOW, *_DEEP)


class _Block(nn.Module):
    """Depthwise 3×3 and pointwise convolution, residual with zero-padded channels, PReLU."""

    def __init__(self, into: int, out: int, stride: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(into, into, 3, stride, groups=into)
        self.pointwise = nn.Conv2d(into, out, 1)
        self.act = nn.PReLU(out)
        self.stride, self.more = stride, out - into

    def forward(self, x: Tensor) -> Tensor:
        drawn = self.pointwise(self.depthwise(_same(x, self.stride)))
        skip = F.max_pool2d(x, 2) if self.stride == 2 else x
        out: Tensor = self.act(drawn + (F.pad(skip, (0, 0, 0, 0, 0, self.more)) if self.more else skip))
        return out


def _same(x: Tensor, stride: int) -> Tensor:
    """Pad for a 3×3 kernel as TensorFlow does: for stride 2 on even sides, only right and bottom."""
    return F.pad(x, (1, 1, 1, 1) if stride == 1 else (0, 1, 0, 1))


class _Head(nn.Module):
    def __init__(self, side: int, out: int) -> None:
        super().__init__()
        self.narrow, self.act, self.block = nn.Conv2d(128, 32, 1), nn.PReLU(32), _Block(32, 32, 1)
        self.points = nn.Conv2d(32, out, side)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        features = self.block(self.act(self.narrow(x)))
        return features, self.points(features).flatten(1)


class FaceMesh(nn.Module):
    """1.2 M parameters.

    ``forward``: (n, 3, 192, 192) RGB in 0–1, an upright face that fills two thirds of the square, to (n, 468, 2) x, y
    in pixels of the square with refined lips, and (n,) logits of a face being present.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.act = nn.Conv2d(3, 16, 3, 2), nn.PReLU(16)
        self.trunk = nn.ModuleList(_Block(*shape) for shape in _TRUNK)
        self.mesh = _Head(3, 3 * POINTS)
        self.flag = nn.Conv2d(32, 1, 3)
        self.lips = nn.Sequential(*(_Block(*shape) for shape in _LIPS))
        self.lips_head = _Head(2, 2 * len(LIPS))

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        x = self.act(self.stem(_same(pictures, 2)))
        shared = x
        for number, block in enumerate(self.trunk, 1):
            x = block(x)
            if number == _BRANCHING:
                shared = x
        features, flat = self.mesh(x)
        points = flat.view(-1, POINTS, 3)[..., :2]
        origin, across, down = _lips_square(points)
        cells = torch.arange(_WINDOW, device=x.device, dtype=points.dtype) + 0.5
        rows, columns = torch.meshgrid(cells, cells, indexing="ij")
        at = origin[:, None, None] + columns[..., None] * across[:, None, None] + rows[..., None] * down[:, None, None]
        grid = at * (2 / SIDE) - 1
        cut = F.grid_sample(shared, grid.to(shared.dtype), padding_mode="zeros", align_corners=False)
        _, raw = self.lips_head(self.lips(cut))
        # The branch's unit is a quarter of a cell: a pixel, as in the mesh.
        inside = raw.view(-1, len(LIPS), 2) / _STEP
        lips = origin[:, None] + inside[..., :1] * across[:, None] + inside[..., 1:] * down[:, None]
        points = points.clone()
        points[:, list(LIPS)] = lips
        return points, self.flag(features).flatten()


def _lips_square(points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The square around the lips, in pixels: its corner, and the vectors of one cell to the right and down, (n, 2)
    each.
    """
    left, right = points[:, _CORNERS[0]], points[:, _CORNERS[1]]
    along = right - left
    along = along / along.norm(dim=1, keepdim=True).clamp_min(1e-6)
    down = torch.stack((-along[:, 1], along[:, 0]), 1)
    lips = points[:, list(LIPS)]
    turned = torch.stack(((lips * along[:, None]).sum(-1), (lips * down[:, None]).sum(-1)), -1)
    low, high = turned.amin(1), turned.amax(1)
    middle, size = (low + high) / 2, (high - low) * (_WINDOW_SIZE / _WINDOW)
    centre = middle[:, :1] * along + middle[:, 1:] * down
    across, down = along * size[:, :1], down * size[:, 1:]
    return centre - _WINDOW / 2 * (across + down), across, down


class Mesher(Batched):
    """The loaded network.

    Raises
    ------
    WeightsError, CheckpointError
    """

    def __init__(self, device: str, batch: int | None = None) -> None:
        # On one CPU core four faces take 3.2 ms each and sixteen 4.6 ms, because a layer no longer fits the cache. The results are equal.
        super().__init__(device, batch, cpu_batch=4, gpu_batch=128)
        network = bundled(FaceMesh(), "face-mesh")
        self._network = network.to(memory_format=torch.channels_last).to(self.device)

    def __call__(self, squares: U8) -> tuple[F32, F32]:
        """Landmarks of faces.

        Parameters
        ----------
        squares : (n, 192, 192, 3) uint8 RGB from :func:`lipsync_ray.faces.mesh.cut_square`

        Returns
        -------
        points : (n, 468, 2) float32 x, y in pixels of the square
        present : (n,) float32 probability of a face
        """
        return self.with_oom_retry(lambda: self._run(squares))

    @torch.inference_mode()
    def _run(self, squares: U8) -> tuple[F32, F32]:
        points, present = [np.zeros((0, POINTS, 2), np.float32)], [np.zeros(0, np.float32)]
        for chunk in self.chunks(len(squares)):
            some = squares[chunk]
            pictures = self.upload(some).permute(0, 3, 1, 2).float() / 255
            at, logit = self._network(pictures.contiguous(memory_format=torch.channels_last))
            points.append(at[: len(some)].float().cpu().numpy())
            present.append(logit[: len(some)].sigmoid().float().cpu().numpy())
        return np.concatenate(points), np.concatenate(present)
