"""Convert face-api's face recognition network to models/data/face_descriptor.safetensors, in 8-bit weights as they come.

    uv run python tools/convert_face_api.py FOLDER lipsync_ray/models/data/face_descriptor.safetensors

FOLDER is model/ of the npm package @vladmandic/face-api 1.7.15 (MIT); its weights are dlib's (public domain). The scale layer after each
convolution is put into the ranges of its weights and into its bias; the weights that come in full precision become 16-bit ones.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from lipsync_ray.models.face_descriptor import FaceDescriptor, unpacked

NAME = "face_recognition_model"
BLOCKS = (
    *(f"conv32_{i}" for i in (1, 2, 3)), "conv64_down", *(f"conv64_{i}" for i in (1, 2, 3)), "conv128_down", "conv128_1",
    "conv128_2", "conv256_down", "conv256_1", "conv256_2", "conv256_down_out",
)  # fmt: skip
CONVOLUTIONS = {
    "conv32_down": "stem",
    **{
        f"{theirs}/conv{i}": f"blocks.{n}.{own}"
        for n, theirs in enumerate(BLOCKS)
        for i, own in ((1, "first"), (2, "second"))
    },
}


def main(folder: str, target: str) -> None:
    manifest = json.loads((Path(folder) / f"{NAME}-weights_manifest.json").read_text())
    data = (Path(folder) / f"{NAME}.bin").read_bytes()
    raw: dict[str, tuple[np.ndarray, float, float]] = {}
    at = 0
    for entry in manifest[0]["weights"]:
        packed = entry.get("quantization")
        kind = np.dtype(packed["dtype"] if packed else "<f4")
        count = int(np.prod(entry["shape"]))
        values = np.frombuffer(data, kind, count, at).reshape(entry["shape"])
        raw[entry["name"]] = values, packed["min"] if packed else 0.0, packed["scale"] if packed else 1.0
        at += count * kind.itemsize
    if at != len(data):
        raise SystemExit(f"{folder}: {len(data) - at} bytes that the manifest does not speak of")

    def plain(name: str) -> np.ndarray:
        values, lowest, step = raw[name]
        return lowest + step * values.astype(np.float64)

    state: dict[str, torch.Tensor] = {}
    for theirs, own in CONVOLUTIONS.items():
        values, lowest, step = raw[f"{theirs}/conv/filters"]
        gain = plain(f"{theirs}/scale/weights")
        filters = np.ascontiguousarray(values.transpose(3, 2, 0, 1))
        bias = plain(f"{theirs}/conv/bias") * gain + plain(f"{theirs}/scale/biases")
        state[f"{own}.bias"] = torch.from_numpy(bias.astype(np.float32))
        if filters.dtype == np.uint8:
            state[f"{own}.weight"] = torch.from_numpy(filters)
            state[f"{own}.weight.range"] = torch.from_numpy(
                np.stack((gain * lowest, gain * step), 1).astype(np.float32)
            )
        else:
            state[f"{own}.weight"] = torch.from_numpy((filters * gain[:, None, None, None]).astype(np.float16))
    values, lowest, step = raw["fc"]
    state["out.weight"] = torch.from_numpy(np.ascontiguousarray(values.T))
    state["out.weight.range"] = torch.tensor([[lowest, step]] * values.shape[1], dtype=torch.float32)
    FaceDescriptor().load_state_dict(
        unpacked({name: t.float() if t.is_floating_point() else t for name, t in state.items()})
    )
    save_file(state, target, {"licence": "MIT", "from": "@vladmandic/face-api 1.7.15, face_recognition_model"})


if __name__ == "__main__":
    main(*sys.argv[1:])
