"""Convert MediaPipe's attention mesh from its TFLite file to models/data/face_mesh.safetensors.

    uv run --with tflite --with flatbuffers python tools/convert_mediapipe.py \\
        face_landmark_with_attention.tflite lipsync_ray/models/data/face_mesh.safetensors

The file lies in the wheel of mediapipe 0.10.21, under mediapipe/modules/face_landmark (Apache-2.0). Its convolutions and
slopes are taken in the order of the graph, which is that of the modules of :mod:`lipsync_ray.models.face_mesh`, once the
branches of the eyes are left out.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import tflite
import torch
from safetensors.torch import save_file
from torch import nn

from lipsync_ray.models.face_mesh import FaceMesh

OUTPUTS = ("output_mesh_identity", "conv_faceflag", "output_lips")
KINDS = {"CONV_2D", "DEPTHWISE_CONV_2D", "PRELU"}


class Graph:
    def __init__(self, path: Path) -> None:
        self.model = tflite.Model.GetRootAs(path.read_bytes(), 0)
        self.graph = self.model.Subgraphs(0)
        self.operators = [self.graph.Operators(i) for i in range(self.graph.OperatorsLength())]
        self.maker = {int(t): i for i, op in enumerate(self.operators) for t in op.OutputsAsNumpy()}
        self.names = {value: name for name, value in vars(tflite.BuiltinOperator).items() if isinstance(value, int)}

    def kind(self, operator: int) -> str:
        code = self.model.OperatorCodes(self.operators[operator].OpcodeIndex())
        return self.names[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]

    def before(self, name: str, seen: set[int]) -> list[int]:
        """Operators that an output needs and that are not in `seen`, in the order of the graph; they join it."""
        found: set[int] = set()
        left = [next(int(t) for t in self.graph.OutputsAsNumpy() if self.graph.Tensors(t).Name().decode() == name)]
        while left:
            operator = self.maker.get(left.pop())
            if operator is None or operator in found or operator in seen:
                continue
            found.add(operator)
            left += [int(t) for t in self.operators[operator].InputsAsNumpy()]
        seen |= found
        return [operator for operator in sorted(found) if self.kind(operator) in KINDS]

    def constant(self, tensor: int) -> np.ndarray:
        """A weight, which the file keeps as float16 behind a DEQUANTIZE."""
        if tensor in self.maker:
            tensor = int(self.operators[self.maker[tensor]].InputsAsNumpy()[0])
        entry = self.graph.Tensors(tensor)
        data = self.model.Buffers(entry.Buffer()).DataAsNumpy().tobytes()
        kind = np.float16 if entry.Type() == tflite.TensorType.FLOAT16 else np.float32
        return np.frombuffer(data, kind).reshape(entry.ShapeAsNumpy())


def parameters(graph: Graph, operator: int) -> list[torch.Tensor]:
    """In torch's layout."""
    weights = [graph.constant(int(t)) for t in graph.operators[operator].InputsAsNumpy()[1:]]
    if graph.kind(operator) == "CONV_2D":
        weights[0] = weights[0].transpose(0, 3, 1, 2)
    elif graph.kind(operator) == "DEPTHWISE_CONV_2D":
        weights[0] = weights[0].transpose(3, 0, 1, 2)
    else:
        weights[0] = weights[0].reshape(-1)
    return [torch.from_numpy(w.astype(np.float16)).contiguous() for w in weights]


def leaves(*modules: nn.Module) -> list[nn.Module]:
    return [leaf for module in modules for leaf in module.modules() if isinstance(leaf, nn.Conv2d | nn.PReLU)]


def main(source: str, target: str) -> None:
    graph, network, seen = Graph(Path(source)), FaceMesh(), set()
    order = {
        "output_mesh_identity": leaves(network.stem, network.act, network.trunk, network.mesh),
        "conv_faceflag": [network.flag],
        "output_lips": leaves(network.lips, network.lips_head),
    }
    names = {id(module): name for name, module in network.named_modules()}
    state = {}
    for output in OUTPUTS:
        for operator, module in zip(graph.before(output, seen), order[output], strict=True):
            for (name, own), value in zip(module.named_parameters(), parameters(graph, operator), strict=True):
                assert own.shape == value.shape, (output, names[id(module)], name, own.shape, value.shape)
                state[f"{names[id(module)]}.{name}"] = value
    network.load_state_dict({name: value.float() for name, value in state.items()})
    save_file(state, target, {"licence": "Apache-2.0", "from": "mediapipe 0.10.21 face_landmark_with_attention.tflite"})


if __name__ == "__main__":
    main(*sys.argv[1:])
