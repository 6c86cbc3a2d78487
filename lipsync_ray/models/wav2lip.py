"""The Wav2Lip generator: redraws the mouth of a face crop to match 200 ms of speech.

State-dict names, shapes and arithmetic are those of the published checkpoints (Prajwal et al. 2020,
arXiv:2008.10010; ``models/wav2lip.py`` of github.com/Rudrabha/Wav2Lip), so both `wav2lip` and `wav2lip_gan` load
strictly. The layers are defined in :data:`AUDIO_ENCODER`, :data:`FACE_ENCODER` and :data:`FACE_DECODER`; a narrower
network (:mod:`lipsync_ray.models.mini`) scales their channels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

CROP = 96  # pixels: side of the square face crop
MEL_BANDS = 80
MEL_STEP = 16  # mel columns per frame, 12.5 ms each


class Layer(NamedTuple):
    """One convolution block: arguments of nn.Conv2d, and whether the input is added to the output."""

    into: int
    out: int
    kernel: int
    stride: int | tuple[int, int] = 1
    padding: int = 0
    residual: bool = False
    transposed: bool = False
    output_padding: int = 0


def _res(channels: int) -> Layer:
    return Layer(channels, channels, 3, 1, 1, residual=True)


def _up(into: int, out: int) -> Layer:
    return Layer(into, out, 3, 2, 1, transposed=True, output_padding=1)


AUDIO_ENCODER = (
    Layer(1, 32, 3, 1, 1),
    *(_res(32),) * 2,
    Layer(32, 64, 3, (3, 1), 1),
    *(_res(64),) * 2,
    Layer(64, 128, 3, 3, 1),
    *(_res(128),) * 2,
    Layer(128, 256, 3, (3, 2), 1),
    _res(256),
    Layer(256, 512, 3, 1, 0),
    Layer(512, 512, 1, 1, 0),
)
FACE_ENCODER = (
    (Layer(6, 16, 7, 1, 3),),
    (Layer(16, 32, 3, 2, 1), *(_res(32),) * 2),
    (Layer(32, 64, 3, 2, 1), *(_res(64),) * 3),
    (Layer(64, 128, 3, 2, 1), *(_res(128),) * 2),
    (Layer(128, 256, 3, 2, 1), *(_res(256),) * 2),
    (Layer(256, 512, 3, 2, 1), _res(512)),
    (Layer(512, 512, 3, 1, 0), Layer(512, 512, 1, 1, 0)),
)
FACE_DECODER = (
    (Layer(512, 512, 1, 1, 0),),
    (Layer(1024, 512, 3, 1, 0, transposed=True), _res(512)),
    (_up(1024, 512), *(_res(512),) * 2),
    (_up(768, 384), *(_res(384),) * 2),
    (_up(512, 256), *(_res(256),) * 2),
    (_up(320, 128), *(_res(128),) * 2),
    (_up(160, 64), *(_res(64),) * 2),
)
OUTPUT = Layer(80, 32, 3, 1, 1)


class Block(nn.Module):
    """Convolution, batch norm, optional residual, ReLU."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        conv: nn.Module
        if layer.transposed:
            conv = nn.ConvTranspose2d(
                layer.into, layer.out, layer.kernel, layer.stride, layer.padding, layer.output_padding
            )
        else:
            conv = nn.Conv2d(layer.into, layer.out, layer.kernel, layer.stride, layer.padding)
        self.conv_block = nn.Sequential(conv, nn.BatchNorm2d(layer.out))
        self.residual = layer.residual

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv_block(x)
        return torch.relu(y + x if self.residual else y)


class Wav2Lip(nn.Module):
    """The generator, 36,298,035 parameters and 3.97 GMAC per frame at full width.

    Parameters
    ----------
    width : maps channel counts of the tables to those to build, by default unchanged; the inputs (1 mel channel, 6
        picture channels) are never scaled
    """

    def __init__(self, width: Callable[[int], int] = lambda channels: channels) -> None:
        super().__init__()
        # A decoder block's input is the previous block's output concatenated with an encoder feature. Both are scaled separately: scaling the
        # sum would round differently.
        skips = [blocks[-1].out for blocks in reversed(FACE_ENCODER)]
        below = [AUDIO_ENCODER[-1].out, *(blocks[-1].out for blocks in FACE_DECODER)]
        joined = [below[0], *below[1:]]

        def scaled(layer: Layer, into: int | None = None) -> Layer:
            return layer._replace(into=width(layer.into) if into is None else into, out=width(layer.out))

        self.audio_encoder = nn.Sequential(
            *(Block(scaled(layer, 1 if i == 0 else None)) for i, layer in enumerate(AUDIO_ENCODER))
        )
        self.face_encoder_blocks = nn.ModuleList(
            nn.Sequential(*(Block(scaled(layer, 6 if i == j == 0 else None)) for j, layer in enumerate(blocks)))
            for i, blocks in enumerate(FACE_ENCODER)
        )
        self.face_decoder_blocks = nn.ModuleList()
        for i, blocks in enumerate(FACE_DECODER):
            into = width(joined[0]) if i == 0 else width(below[i]) + width(skips[i - 1])
            self.face_decoder_blocks.append(
                nn.Sequential(*(Block(scaled(layer, into if j == 0 else None)) for j, layer in enumerate(blocks)))
            )
        self.head_channels = width(below[-1]) + width(skips[-1])
        self._build_head()

    def _build_head(self) -> None:
        self.output_block = nn.Sequential(
            Block(OUTPUT._replace(into=self.head_channels)), nn.Conv2d(OUTPUT.out, 3, 1), nn.Sigmoid()
        )

    def features(self, mel: Tensor, image: Tensor) -> Tensor:
        """All layers before the head: (B, 1, 80, 16) and (B, 6, 96, 96) to (B, head_channels, 96, 96)."""
        skips = []
        x = image
        for block in self.face_encoder_blocks:
            x = block(x)
            skips.append(x)
        x = self.audio_encoder(mel)
        for block in self.face_decoder_blocks:
            x = torch.cat((block(x), skips.pop()), dim=1)
        return x

    def forward(self, mel: Tensor, image: Tensor) -> Tensor:
        """Draw mouths.

        Parameters
        ----------
        mel : (B, 1, 80, 16) float, within ±4 (:mod:`lipsync_ray.media.mel`)
        image : (B, 6, 96, 96) float in [0, 1], BGR: the target with rows 48–95 zeroed, then the reference

        Returns
        -------
        (B, 3, 96, 96) float in [0, 1], BGR
        """
        out: Tensor = self.output_block(self.features(mel, image))
        return out
