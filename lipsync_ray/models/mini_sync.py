"""`mini-sync`: a small audio-visual sync expert trained for this project (models/data/MODEL_CARD.md).

A small version of Wav2Lip's SyncNet_color: five lower faces and 200 ms of mel to two unit vectors. Its distances are
not comparable with LSE and never appear in a column named LSE.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lipsync_ray.models.syncnet import FRAMES
from lipsync_ray.models.wav2lip import AUDIO_ENCODER, CROP, MEL_STEP, Block, Layer

COLUMNS = MEL_STEP
DIMENSIONS = 256


def _res(channels: int) -> Layer:
    return Layer(channels, channels, 3, 1, 1, residual=True)


FACE_TOWER = (
    Layer(3 * FRAMES, 32, 5, 2, 2),
    Layer(32, 32, 3, (1, 2), 1),
    _res(32),
    Layer(32, 64, 3, 2, 1),
    *(_res(64),) * 2,
    Layer(64, 128, 3, 2, 1),
    *(_res(128),) * 2,
    Layer(128, 256, 3, 2, 1),
    _res(256),
    Layer(256, DIMENSIONS, 3, 1, 0),
    Layer(DIMENSIONS, DIMENSIONS, 1, 1, 0),
)


def _half(channels: int) -> int:
    return max(1, channels // 2)


class MiniSync(nn.Module):
    """Both towers, 2.89 M parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.face_encoder = nn.Sequential(*map(Block, FACE_TOWER))
        # SyncNet_color's audio tower at half width: the generator's, with one more residual block of 128 channels before the last two
        audio = [layer._replace(into=_half(layer.into), out=_half(layer.out)) for layer in AUDIO_ENCODER]
        self.audio_encoder = nn.Sequential(*(Block(layer) for layer in (*audio[:-2], audio[-3], *audio[-2:])))
        self.logit = nn.Parameter(torch.zeros(2))  # of the training loss; not used in scores

    def encode_audio(self, mel: Tensor) -> Tensor:
        """(B, 1, 80, 16) mel in ±4 to (B, 256) unit vectors."""
        return F.normalize(self.audio_encoder(mel).flatten(1))

    def encode_video(self, faces: Tensor) -> Tensor:
        """(B, 15, 48, 96) lower halves of five consecutive faces, BGR in 0–1, to (B, 256) unit vectors."""
        return F.normalize(self.face_encoder(faces).flatten(1))

    def forward(self, faces: Tensor, mel: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Both embeddings, and (2,) the training loss's log scale and bias of the cosines."""
        return self.encode_video(faces), self.encode_audio(mel), self.logit


LOWER = slice(CROP // 2, CROP)  # rows of a crop that are the network's input
