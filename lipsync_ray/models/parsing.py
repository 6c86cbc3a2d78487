"""ParseNet: which part of a face each pixel of an aligned face belongs to (facexlib's network and weights)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from lipsync_ray.compute import device_of
from lipsync_ray.faces.align import SIDE
from lipsync_ray.models import weights
from lipsync_ray.models.checkpoint import load_into, read_state
from lipsync_ray.models.precision import Precision, dtype_of

U8 = NDArray[np.uint8]

NAME = "parsenet"
CLASSES = 19
NOT_FACE = (0, 14, 16, 17, 18)  # background, hat, necklace, neck, cloth


def resolve(progress: weights.Progress | None = None, fetch: bool = True) -> weights.Checkpoint:
    """The registered weights, fetched where they must be and `fetch` says so.

    Raises
    ------
    WeightsError : not here and not to be had, or damaged
    """
    return weights.by_name(NAME, progress, fetch)


class Parser:
    """A loaded ParseNet; one face a pass.

    Raises
    ------
    WeightsError, CheckpointError
    """

    def __init__(self, path: Path, device: str, precision: Precision = "auto") -> None:
        from facexlib.parsing.parsenet import ParseNet

        self._device = device_of(device)
        self._dtype = dtype_of(precision, self._device)
        network = ParseNet(in_size=SIDE, out_size=SIDE, parsing_ch=CLASSES)
        load_into(network, read_state(path), str(path))
        network.eval().requires_grad_(False)
        self._network = network.to(device=self._device, dtype=self._dtype, memory_format=torch.channels_last)

    @torch.inference_mode()
    def __call__(self, face: U8) -> U8:
        """The class of each pixel.

        Parameters
        ----------
        face : (512, 512, 3) uint8 BGR, aligned

        Returns
        -------
        (512, 512) uint8: 0 background, 1 skin, 2 nose, … (the 19 classes of CelebAMask-HQ)
        """
        rgb = torch.from_numpy(np.ascontiguousarray(face[..., ::-1])).to(self._device).permute(2, 0, 1)[None]
        image = (rgb.float() / 127.5 - 1).to(self._dtype).contiguous(memory_format=torch.channels_last)
        labels = self._network(image)[0].argmax(dim=1)[0]
        return np.asarray(labels.to(torch.uint8).cpu().numpy(), np.uint8)
