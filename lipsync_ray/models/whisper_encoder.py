"""Whisper's encoder as MuseTalk uses it: the hidden states of all layers, 50 columns a second."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lipsync_ray.errors import CheckpointError
from lipsync_ray.media.audio import SAMPLE_RATE
from lipsync_ray.models.checkpoint import load_into, read_pickle, read_state
from lipsync_ray.models.extras import require
from lipsync_ray.models.musetalk_files import AUDIO_ENCODER_CONFIG, config_of
from lipsync_ray.models.weights import Checkpoint

F32 = NDArray[np.float32]

CHUNK = 30 * SAMPLE_RATE  # samples per pass; the last one is padded with silence
COLUMN = 320  # samples: 20 ms
_PREFIXES = ("model.encoder.", "encoder.")
# Entry names in OpenAI's checkpoints → in transformers
_OPENAI = (
    ("blocks.", "layers."),
    ("attn_ln", "self_attn_layer_norm"),
    ("mlp_ln", "final_layer_norm"),
    ("ln_post", "layer_norm"),
    ("mlp.0", "fc1"),
    ("mlp.2", "fc2"),
    ("attn.query", "self_attn.q_proj"),
    ("attn.key", "self_attn.k_proj"),
    ("attn.value", "self_attn.v_proj"),
    ("attn.out", "self_attn.out_proj"),
    ("positional_embedding", "embed_positions.weight"),
)


class HiddenStates:
    """A loaded encoder.

    Attributes
    ----------
    bands : numbers per column: hidden states of the input and all layers

    Raises
    ------
    WeightsError, CheckpointError
    """

    extra, whose = "musetalk", "MuseTalk's hearing"

    def __init__(self, checkpoint: Checkpoint) -> None:
        require(self.extra, self.whose)
        from transformers import WhisperConfig, WhisperFeatureExtractor
        from transformers.models.whisper.modeling_whisper import WhisperEncoder

        path = checkpoint.here()
        config = WhisperConfig(**config_of(path, AUDIO_ENCODER_CONFIG))
        network: Any = WhisperEncoder(config)
        load_into(network, _encoder_of(_state(path), str(path)), str(path))
        self._network: Any = network.eval().requires_grad_(False)
        self._front: Any = WhisperFeatureExtractor(feature_size=config.num_mel_bins)
        self.bands = int(config.d_model * (config.encoder_layers + 1))

    @torch.inference_mode()
    def __call__(self, sound: F32) -> F32:
        """(n, bands) float32 states of at most 30 s of (samples,) float32 in [−1, 1] at 16 kHz; n = ⌊samples / 320⌋, at
        least 1.
        """
        mel = self._front(sound, sampling_rate=SAMPLE_RATE, return_tensors="pt").input_features
        layers = self._network(mel, output_hidden_states=True).hidden_states
        states = torch.stack(layers, dim=2)[0]  # (1500, layers, d)
        out: F32 = states.flatten(1)[: max(1, len(sound) // COLUMN)].numpy()
        return out


def hidden_blocks(blocks: Iterable[F32], encoder: HiddenStates) -> Iterator[F32]:
    """Hidden states of a sound that arrives in blocks, in pieces of 30 s.

    Yields
    ------
    (m_i, bands) float32; in total ⌊samples / 320⌋ columns, at least 1
    """
    blocks_kept: list[F32] = []
    count = done = 0
    for block in blocks:
        blocks_kept.append(block)
        count += len(block)
        while count >= CHUNK:
            whole = np.concatenate(blocks_kept)
            yield encoder(whole[:CHUNK])
            blocks_kept, count, done = [whole[CHUNK:]], count - CHUNK, done + CHUNK
    if count >= COLUMN or (count and not done):
        yield encoder(np.concatenate(blocks_kept))


def _state(path: Path) -> dict[str, torch.Tensor]:
    """State dict of a file, from OpenAI or transformers, with transformers' names."""
    if path.suffix != ".pt":
        return read_state(path)
    content = read_pickle(path)
    theirs = content.get("model_state_dict") if isinstance(content, dict) else None
    if not isinstance(theirs, dict):
        raise CheckpointError(f"{path}: not a checkpoint of OpenAI's Whisper (dims and model_state_dict)")
    out = {}
    for name, tensor in theirs.items():
        if name.startswith("encoder."):
            for old, new in _OPENAI:
                name = name.replace(old, new)
            out[name] = tensor.float()
    return out


def _encoder_of(state: dict[str, torch.Tensor], source: str) -> dict[str, torch.Tensor]:
    """Select the encoder's entries of a complete Whisper."""
    for prefix in _PREFIXES:
        found = {name.removeprefix(prefix): t for name, t in state.items() if name.startswith(prefix)}
        if found:
            return found
    raise CheckpointError(f"{source}: not a checkpoint of transformers' Whisper (no entries model.encoder.…)")
