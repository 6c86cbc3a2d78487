"""Silero's voice activity detector, version 6, at 16 kHz.

The network of silero-vad 6.2.3 (MIT), reimplemented: spectra and convolutions of all chunks run at once, then one LSTM
over time. The weights are bundled (models/data/MODEL_CARD.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from lipsync_ray.media.audio import SoundTrack, Span
from lipsync_ray.media.sound_probe import Sound
from lipsync_ray.media.speech_mel import VOICE_CHUNK, VOICE_LUFS, levelled_blocks
from lipsync_ray.models.checkpoint import bundled

F32 = NDArray[np.float32]

_CONTEXT = 64  # samples before each chunk that are part of its input
_REFLECTED = 64
_BINS = 129
_HIDDEN = 128  # numbers of the LSTM's state
_TOGETHER = 256  # chunks per pass
_RESTART = 16  # silent chunks (half a second) after which the network starts anew: what was said before them changes nothing then
_SILENT = 1e-5  # of full scale: digital silence, as between the lines of a mix


class VoiceActivity(nn.Module):
    """0.3 M parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.stft_conv = nn.Conv1d(1, 2 * _BINS, 256, 128, bias=False)
        self.conv1 = nn.Conv1d(_BINS, 128, 3, 1, 1)
        self.conv2 = nn.Conv1d(128, 64, 3, 2, 1)
        self.conv3 = nn.Conv1d(64, 64, 3, 2, 1)
        self.conv4 = nn.Conv1d(64, 128, 3, 1, 1)
        self.lstm_cell = nn.LSTMCell(128, _HIDDEN)
        self.final_conv = nn.Conv1d(_HIDDEN, 1, 1)

    def features(self, chunks: Tensor) -> Tensor:
        """(n, 576) samples, each chunk preceded by its context, to (n, 128) features."""
        x = self.stft_conv(F.pad(chunks, (0, _REFLECTED), "reflect")[:, None])
        x = (x[:, :_BINS] ** 2 + x[:, _BINS:] ** 2).sqrt()
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4):
            x = conv(x).relu()
        out: Tensor = x[..., 0]
        return out

    def forward(
        self, chunks: Tensor, state: tuple[Tensor, Tensor], restarts: NDArray[np.bool_] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """(n, 576) consecutive chunks to (n,) probabilities, and the LSTM state for the next chunks.

        Parameters
        ----------
        restarts : (n,) the state is that of a beginning before this chunk
        """
        out = []
        for index, step in enumerate(self.features(chunks)[:, None]):
            if restarts is not None and restarts[index]:
                state = no_state()
            state = self.lstm_cell(step, state)
            out.append(state[0])
        return self.final_conv(torch.stack(out).transpose(1, 2).relu()).sigmoid().mean((1, 2)), state


def no_state() -> tuple[Tensor, Tensor]:
    """The LSTM's state before the first chunk."""
    return torch.zeros(1, _HIDDEN), torch.zeros(1, _HIDDEN)


def voice_of(track: SoundTrack, sound: Sound, span: Span | None = None) -> F32:
    """(n,) probability of speech in each 32 ms of a sound, after loudness normalisation.

    Clipped samples are not reconstructed: Silero detects voice in them, and less of it after reconstruction.
    """
    found = list(voice_blocks(levelled_blocks(track, sound, span, VOICE_LUFS, repair=False)))
    return np.concatenate([np.zeros(0, np.float32), *found])


def voice_blocks(blocks: Iterable[F32]) -> Iterator[F32]:
    """Probability of speech in each 32 ms of a sound.

    Parameters
    ----------
    blocks : (n_i,) float32 in [−1, 1], 16 kHz mono

    Yields
    ------
    (m_i,) float32; the last chunk is padded with silence
    """
    network = bundled(VoiceActivity(), "voice")
    state, silent = no_state(), 0  # consecutive silent chunks so far
    pending = np.zeros(_CONTEXT, np.float32)  # context, then samples that do not fill a chunk yet
    with torch.inference_mode():
        for block in _ended(blocks):
            if block is not None:
                pending = np.concatenate((pending, block))
            else:
                pending = np.pad(pending, (0, -(len(pending) - _CONTEXT) % VOICE_CHUNK))
            while (count := min(_TOGETHER, (len(pending) - _CONTEXT) // VOICE_CHUNK)) > 0 and (
                count == _TOGETHER or block is None
            ):
                used = np.lib.stride_tricks.sliding_window_view(pending, _CONTEXT + VOICE_CHUNK)[
                    : count * VOICE_CHUNK : VOICE_CHUNK
                ]
                restarts = np.zeros(count, np.bool_)
                for index, peak in enumerate(np.abs(used[:, _CONTEXT:]).max(axis=1).tolist()):
                    restarts[index] = silent >= _RESTART
                    silent = silent + 1 if peak < _SILENT else 0
                found, state = network(torch.from_numpy(used.copy()), state, restarts)
                pending = pending[count * VOICE_CHUNK :]
                yield found.numpy()


def _ended(blocks: Iterable[F32]) -> Iterator[F32 | None]:
    yield from blocks
    yield None
