"""Reference outputs, and networks filled with the numbers that they were computed with.

``golden/README.md`` says where each comes from.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import torch

GOLDEN = Path(__file__).parent / "golden"


def golden(name: str) -> dict[str, np.ndarray]:
    """The arrays of one reference output."""
    with np.load(GOLDEN / f"{name}.npz") as arrays:
        return dict(arrays)


def fill(network: torch.nn.Module, gain: float = 1.0) -> torch.nn.Module:
    """Fill a network in place with numbers that depend on the name and shape of each entry alone.

    Parameters
    ----------
    gain : of convolution kernels; the Wav2Lip reference was computed with 0.5, the others with 1
    """
    state = {
        name: torch.from_numpy(_values(name, tuple(tensor.shape))).to(tensor.dtype)
        for name, tensor in network.state_dict().items()
    }
    network.load_state_dict({name: t * gain if t.ndim == 4 else t for name, t in state.items()})
    return network.eval()


def filled_at_once(network: torch.nn.Module) -> torch.nn.Module:
    """The same of a large network that was made on the "meta" device: its numbers are held once."""
    state = {name: torch.from_numpy(_values(name, tuple(t.shape))) for name, t in network.state_dict().items()}
    network.load_state_dict(state, assign=True)
    return network.eval().requires_grad_(False)


# transformers' names, of openai-whisper's.
_OPENAI = {
    "self_attn_layer_norm": "attn_ln",
    "self_attn.q_proj": "attn.query",
    "self_attn.k_proj": "attn.key",
    "self_attn.v_proj": "attn.value",
    "self_attn.out_proj": "attn.out",
    "final_layer_norm": "mlp_ln",
    "fc1": "mlp.0",
    "fc2": "mlp.2",
    "layers.": "blocks.",
    "embed_positions.weight": "positional_embedding",
}


def openai_s(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The entries of transformers' Whisper encoder by openai-whisper's names."""
    out = {}
    for name, tensor in state.items():
        for ours, theirs in _OPENAI.items():
            name = name.replace(ours, theirs)
        out["ln_post" + name.removeprefix("layer_norm") if name.startswith("layer_norm") else name] = tensor
    return out


def difference(found: torch.Tensor, reference: dict[str, np.ndarray]) -> float:
    """The largest difference of an output from its reference's."""
    return (found - torch.from_numpy(reference["output"]).float()).abs().max().item()


def relative(found: np.ndarray, wanted: np.ndarray) -> float:
    """The largest difference, of the largest value."""
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


def sound_of(reference: dict[str, np.ndarray], count: int) -> np.ndarray:
    """(count, bands, 20) float32: SyncNet's windows of the reference's sound, one a frame."""
    columns = reference["mfcc"].astype(np.float32)
    return np.stack([columns[:, 4 * v : 4 * v + 20] for v in range(count)])


def _values(name: str, shape: tuple[int, ...]) -> np.ndarray:
    rng = np.random.Generator(np.random.PCG64(zlib.crc32(name.encode())))
    leaf = name.rsplit(".", 1)[-1]
    match leaf:
        case "num_batches_tracked":
            return np.zeros(shape, np.int64)
        case "running_var":
            values = rng.uniform(0.5, 1.5, shape)
        case "running_mean":
            values = 0.1 * rng.standard_normal(shape)
        case "weight" if len(shape) == 1:  # the scale of a batch norm
            values = rng.uniform(0.5, 1.5, shape)
        case "bias":
            values = 0.05 * rng.standard_normal(shape)
        case _:
            values = np.sqrt(1.0 / int(np.prod(shape[1:]))) * rng.standard_normal(shape)
    return np.asarray(values, np.float32)
