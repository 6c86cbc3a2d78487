"""Convert Silero's voice activity detector to models/data/voice.safetensors, in half precision.

    uv run python tools/convert_silero.py silero_vad.jit lipsync_ray/models/data/voice.safetensors

The file lies in the wheel of silero-vad 6.2.3, under silero_vad/data (MIT). The .safetensors beside it holds an older network.
"""

from __future__ import annotations

import sys

import torch
from safetensors.torch import save_file

from lipsync_ray.models.voice import VoiceActivity

NAMES = {
    "stft.forward_basis_buffer": "stft_conv.weight",
    **{f"encoder.{i}.reparam_conv.{kind}": f"conv{i + 1}.{kind}" for i in range(4) for kind in ("weight", "bias")},
    **{f"decoder.rnn.{kind}": f"lstm_cell.{kind}" for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")},
    **{f"decoder.decoder.2.{kind}": f"final_conv.{kind}" for kind in ("weight", "bias")},
}


def main(source: str, target: str) -> None:
    own = torch.jit.load(source, map_location="cpu").state_dict()
    state = {name: own[f"_model.{theirs}"] for theirs, name in NAMES.items()}
    VoiceActivity().load_state_dict(state)
    half = {name: tensor.to(torch.float16).contiguous() for name, tensor in state.items()}
    save_file(half, target, {"licence": "MIT", "from": "silero-vad 6.2.3 silero_vad.jit, 16 kHz"})


if __name__ == "__main__":
    main(*sys.argv[1:])
