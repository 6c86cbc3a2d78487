"""Parts of a generator's training: input tensors, mouth weights, edge loss, and a critic."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from lipsync_ray.models.wav2lip import CROP

MOUTH = slice(56, 92), slice(22, 73)  # rows and columns of the mouth in a crop
_UPPER, _MOUTH = 0.1, 3.0  # L1 weights of the given half, and of the mouth; 1 elsewhere
_CRITIC = (32, 64, 128)


class GeneratorWithCritic(nn.Module):
    """A generator and, optionally, its adversarial critic.

    The critic's gradient reaches the generator reversed (Ganin and Lempitsky 2015, arXiv 1409.7495), so that one
    optimizer step trains both: the critic to distinguish drawn from real, the generator to prevent it.

    Parameters
    ----------
    adversarial : factor of the reversed gradient; 0 for no critic
    """

    def __init__(self, generator: nn.Module, adversarial: float = 0.0) -> None:
        super().__init__()
        self.generator = generator
        self.critic = _critic() if adversarial else None
        self._adversarial = adversarial

    def forward(self, mel: Tensor, image: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Draw (n, 3, 96, 96); also returns the critic's (n, 1, h, w) logits for the real and the drawn lower halves.

        Parameters
        ----------
        mel, image : as the generator takes them
        wanted : (n, 3, 96, 96) the real faces
        """
        drawn = self.generator(mel, image).float()
        if self.critic is None:
            return drawn, drawn.new_zeros(0), drawn.new_zeros(0)
        lower = slice(CROP // 2, CROP)
        reversed_one: Tensor = _Reversed.apply(drawn[:, :, lower], self._adversarial)
        return drawn, self.critic(wanted[:, :, lower]), self.critic(reversed_one)


class _Reversed(torch.autograd.Function):
    """Identity with a reversed, scaled gradient."""

    @staticmethod
    def forward(context: Any, x: Tensor, scale: float) -> Tensor:
        context.scale = scale
        return x.view_as(x)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -context.scale * gradients[0], None


def _critic() -> nn.Module:
    layers: list[nn.Module] = []
    into = 3
    for width in _CRITIC:
        layers += [spectral_norm(nn.Conv2d(into, width, 4, 2, 1)), nn.LeakyReLU(0.2)]
        into = width
    return nn.Sequential(*layers, spectral_norm(nn.Conv2d(into, 1, 3, 1, 1)))


def picture(crops: Tensor) -> Tensor:
    """(b, n, 96, 96, 3) uint8 as (b, n, 3, 96, 96) float in 0–1."""
    return crops.permute(0, 1, 4, 2, 3).float() / 255


def inputs(real: Tensor, context: Tensor, mels: Tensor) -> tuple[Tensor, Tensor]:
    """(b · n, 6, 96, 96) image and (b · n, 1, 80, 16) mel as :class:`~lipsync_ray.models.wav2lip.Wav2Lip` takes them.

    Parameters
    ----------
    real, context : (b, n, 96, 96, 3) uint8: the faces to draw, and others of the same people
    mels : (b, n, 80, 16)
    """
    hidden = picture(real).flatten(0, 1)
    hidden[:, :, CROP // 2 :] = 0
    return torch.cat((hidden, picture(context).flatten(0, 1)), dim=1), mels.flatten(0, 1)[:, None]


def mouth_weights() -> Tensor:
    """(1, 1, 96, 96) of the L1."""
    out = torch.ones(1, 1, CROP, CROP)
    out[:, :, : CROP // 2] = _UPPER
    out[:, :, MOUTH[0], MOUTH[1]] = _MOUTH
    return out


def edges(drawn: Tensor, wanted: Tensor) -> Tensor:
    """Mean difference of the lower halves' image gradients in both directions."""
    apart = (drawn - wanted)[:, :, CROP // 2 :]
    return apart.diff(dim=2).abs().mean() + apart.diff(dim=3).abs().mean()
