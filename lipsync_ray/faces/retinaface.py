"""RetinaFace (Deng et al. 2020), the detector of GFPGAN's own helper; for parity with it on single pictures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lipsync_ray.errors import CheckpointError
from lipsync_ray.faces.align import LEAST_EYE_DISTANCE
from lipsync_ray.faces.detect import NO_FACES, Faces
from lipsync_ray.media.picture import U8

NAME = "retinaface"
SURE = 0.97


def retinaface_detector(state: dict[str, Any], device: str) -> Callable[[U8], Faces]:
    """Load RetinaFace; it detects at the frame's own size with GFPGANer's thresholds.

    Parameters
    ----------
    state : state dict of the checkpoint

    Raises
    ------
    CheckpointError : the checkpoint belongs to another network
    """
    import warnings

    import torch
    from facexlib.detection.retinaface import RetinaFace

    from lipsync_ray.compute import device_of

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # torchvision warns about a renamed argument
        network = RetinaFace(network_name="resnet50", half=False, device=device_of(device))
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise CheckpointError(f"not a checkpoint of RetinaFace with ResNet-50: {str(error).splitlines()[0]}") from error
    network.eval().requires_grad_(False)

    def detect(frame: U8) -> Faces:
        with torch.inference_mode():
            rows = network.detect_faces(np.ascontiguousarray(frame[..., ::-1]), SURE)
        if not len(rows):
            return NO_FACES
        points = rows[:, 5:15].reshape(-1, 5, 2)
        wide = np.linalg.norm(points[:, 0] - points[:, 1], axis=1) >= LEAST_EYE_DISTANCE
        rows, points = rows[wide].astype(np.float32), points[wide].astype(np.float32)
        return Faces(rows[:, :4], points, rows[:, 4])

    return detect
