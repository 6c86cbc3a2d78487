"""Whisper's encoder as EchoMimic uses it: the outputs of its layers, for a sound normalised as a whole.

Differs from :mod:`lipsync_ray.models.whisper_encoder` in three points: the mel is normalised by the loudest moment of
the whole sound, not of each 30 s; the sound is padded with zeros of the mel, not with silence; the last layer's output
is taken before the final layer norm.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from lipsync_ray.models.weights import Checkpoint
from lipsync_ray.models.whisper_encoder import HiddenStates

F32 = NDArray[np.float32]

FFT, HOP = 400, 160  # samples at 16 kHz
CHUNK = 3000  # mel columns per pass, 10 ms each
FLOOR, RANGE = 1e-10, 8.0  # least power; dynamic range below the maximum in decades


class LayerStates(HiddenStates):
    """A loaded encoder.

    Attributes
    ----------
    bands : numbers per column: the first layer's input and all layers' outputs

    Raises
    ------
    WeightsError, CheckpointError
    """

    extra, whose = "echomimic", "EchoMimic's hearing"

    def __init__(self, checkpoint: Checkpoint) -> None:
        super().__init__(checkpoint)
        self._filters = torch.from_numpy(np.asarray(self._front.mel_filters, np.float32).T.copy())

    def power(self, blocks: Iterable[F32]) -> Tensor:
        """(bands, n) float32 log10 of the mel power of a sound in blocks, 16 kHz in [−1, 1]; n = ⌊samples / 160⌋."""
        samples = torch.from_numpy(np.concatenate(list(blocks)))
        columns = len(samples) // HOP
        reflected = functional.pad(samples, (0, max(0, FFT - len(samples))))
        padded = functional.pad(reflected[None], (FFT // 2, FFT // 2), mode="reflect")[0]
        window = torch.hann_window(FFT)
        found = []
        for start in range(0, columns, CHUNK):
            stop = min(columns, start + CHUNK)
            samples_in = padded[start * HOP : (stop - 1) * HOP + FFT]
            spectrum = torch.stft(samples_in, FFT, HOP, window=window, center=False, return_complex=True).abs() ** 2
            found.append((self._filters @ spectrum).clamp(min=FLOOR).log10())
        return torch.cat(found, dim=1) if found else torch.zeros(len(self._filters), 0)

    @torch.inference_mode()
    def states(self, mel: Tensor) -> F32:
        """(⌊c / 2⌋, bands) float32 states of (mels, c) normalised mel, c at most 3000, ordered by layer."""
        columns = mel.shape[1]
        seen: list[Tensor] = []
        layers = self._network.layers
        hooks = [layers[0].register_forward_pre_hook(lambda module, given: seen.append(given[0]))]
        hooks += [layer.register_forward_hook(lambda module, given, out: seen.append(_tensor(out))) for layer in layers]
        try:
            self._network(functional.pad(mel, (0, 2 * self._network.config.max_source_positions - columns))[None])
        finally:
            for hook in hooks:
                hook.remove()
        out: F32 = torch.stack(seen, dim=2)[0].flatten(1)[: columns // 2].numpy()
        return out


def _tensor(out: Tensor | tuple[Tensor, ...]) -> Tensor:
    return out[0] if isinstance(out, tuple) else out


def layer_blocks(blocks: Iterable[F32], encoder: LayerStates) -> Iterator[F32]:
    """States of a whole sound that arrives in blocks, in pieces of 30 s: 50 columns a second, at least one."""
    power = encoder.power(blocks)
    if power.shape[1] < 2:  # shorter than one output column
        power = functional.pad(power, (0, 2 - power.shape[1]), value=float(np.log10(FLOOR)))
    mel = (torch.maximum(power, power.max() - RANGE) + 4) / 4
    for piece in torch.split(mel, CHUNK, dim=1):
        if piece.shape[1] > 1:
            yield encoder.states(piece)
