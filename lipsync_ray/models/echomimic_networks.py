"""EchoMimic's networks, built from diffusers' classes with modified attention.

A reference UNet processes the portrait once and records the inputs of its self-attentions. The denoising UNet, with
AnimateDiff's motion modules, attends to these in addition to its own tokens, and to the sound by cross-attention. Chen
et al. 2024, arXiv:2407.08136; shapes and factors are those of antgroup/echomimic.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

AUDIO_SCALE = 3.0  # factor of the cross-attention output
LOCATOR_WIDTHS = (16, 16, 32, 32, 96, 96, 256)
Bank = dict[str, Tensor]
"""Transformer block → (1, tokens, width) input of its self-attention in the reference UNet."""


class FaceLocator(nn.Module):
    """Encodes the face's mask to features of the latents' size.

    Parameters
    ----------
    out : channels, equal to those of the denoising UNet's first block
    """

    def __init__(self, out: int = 320) -> None:
        super().__init__()
        widths = LOCATOR_WIDTHS
        self.conv_in = nn.Conv2d(1, widths[0], 3, padding=1)
        self.blocks = nn.ModuleList(
            nn.Conv2d(before, after, 3, padding=1, stride=1 + number % 2)
            for number, (before, after) in enumerate(pairwise(widths))
        )
        self.conv_out = nn.Conv2d(widths[-1], out, 3, padding=1)

    def forward(self, mask: Tensor) -> Tensor:
        """(b, out, h / 8, w / 8) features of a mask (b, 1, h, w) in [0, 1]."""
        features = functional.silu(self.conv_in(mask))
        for block in self.blocks:
            features = functional.silu(block(features))
        out: Tensor = self.conv_out(features)
        return out


class FrameGroupNorm(nn.GroupNorm):
    """Group norm of videos with separate statistics for each frame."""

    def forward(self, video: Tensor) -> Tensor:
        """(b, c, f, h, w) to (b, c, f, h, w)."""
        frames = video.transpose(1, 2)
        normed = super().forward(frames.flatten(0, 1))
        return normed.reshape(frames.shape).transpose(1, 2)


@dataclass
class Attending:
    """Conditions of the denoising UNet in one pass.

    Attributes
    ----------
    bank : features of the reference; empty for an unconditional pass
    face : (1, c, h, w) features of the face's mask; None for an unconditional pass
    """

    bank: Bank = field(default_factory=dict)
    face: Tensor | None = None


def _attended(attention: Any, own: Tensor, context: Tensor) -> Tensor:
    """Attention of tokens (b, n, c) to a context (b, m, k), without mask; only the output has a bias."""
    query, key, value = (
        project(tokens).unflatten(-1, (attention.heads, -1)).transpose(1, 2)
        for project, tokens in ((attention.to_q, own), (attention.to_k, context), (attention.to_v, context))
    )
    features = functional.scaled_dot_product_attention(query, key, value)
    out: Tensor = attention.to_out[0](features.transpose(1, 2).flatten(2))
    return out


class _ReadReference:
    """Self-attention over a frame's own tokens, followed by those of the reference."""

    def __init__(self, name: str, attending: Attending) -> None:
        self._name, self._attending = name, attending

    def __call__(self, attention: Any, hidden_states: Tensor, *unused: Any, **ignored: Any) -> Tensor:
        context = hidden_states
        if (reference := self._attending.bank.get(self._name)) is not None:
            context = torch.cat((hidden_states, reference.expand(len(hidden_states), -1, -1)), dim=1)
        return _attended(attention, hidden_states, context)


class _ScaledAttention:
    """Cross-attention to a frame's sound, scaled by :data:`AUDIO_SCALE`."""

    def __call__(
        self, attention: Any, hidden_states: Tensor, encoder_hidden_states: Tensor, *unused: Any, **ignored: Any
    ) -> Tensor:
        return AUDIO_SCALE * _attended(attention, hidden_states, encoder_hidden_states)


class _Plain:
    """Plain self-attention, for the reference UNet."""

    def __call__(self, attention: Any, hidden_states: Tensor, *unused: Any, **ignored: Any) -> Tensor:
        return _attended(attention, hidden_states, hidden_states)


def _spatial(network: nn.Module) -> dict[str, Any]:
    """Name → transformer block over the tokens of one frame (not over time)."""
    return {
        name: module
        for name, module in network.named_modules()
        if ".attentions." in name and name.endswith(".transformer_blocks.0")
    }


def reference_unet(config: dict[str, Any]) -> Any:
    """Build the reference UNet, without cross-attention and without an output."""
    from diffusers import UNet2DConditionModel

    network = UNet2DConditionModel(**config)
    for block in _spatial(network).values():
        block.attn2 = block.norm2 = None
        block.attn1.set_processor(_Plain())
    network.conv_norm_out, network.conv_out = None, nn.Identity()
    return network


def reference_features(network: Any, latents: Tensor) -> Bank:
    """Inputs of a reference UNet's self-attentions for latents (1, 4, h, w), at timestep 0."""
    bank: Bank = {}

    def writing(name: str) -> Any:
        def write(module: nn.Module, given: Any, normed: Tensor) -> None:
            bank[name] = normed

        return write

    hooks = [block.norm1.register_forward_hook(writing(name)) for name, block in _spatial(network).items()]
    try:
        network(latents, torch.zeros(1, dtype=torch.long, device=latents.device), encoder_hidden_states=None)
    finally:
        for hook in hooks:
            hook.remove()
    return bank


def denoising_unet(config: dict[str, Any]) -> Any:
    """Build the denoising UNet with its motion modules; :class:`Denoising` sets its attention."""
    from diffusers import UNetMotionModel
    from diffusers.models.unets.unet_motion_model import AnimateDiffTransformer3D

    network = UNetMotionModel(**config)
    for module in network.modules():
        if isinstance(module, AnimateDiffTransformer3D):
            pooled = module.norm  # diffusers' statistics are over all frames
            module.norm = FrameGroupNorm(pooled.num_groups, pooled.num_channels, pooled.eps, pooled.affine)
    return network


class Denoising:
    """A denoising UNet conditioned on a reference and on sound.

    Parameters
    ----------
    network : result of :func:`denoising_unet`
    """

    def __init__(self, network: Any) -> None:
        self.network = network
        self._attending = Attending()
        for name, block in _spatial(network).items():
            block.attn1.set_processor(_ReadReference(name, self._attending))
            block.attn2.set_processor(_ScaledAttention())
        network.conv_in.register_forward_hook(self._put_face)

    def _put_face(self, module: nn.Module, given: Any, features: Tensor) -> Tensor:
        face = self._attending.face
        return features if face is None else features + face

    def __call__(self, latents: Tensor, time: int, sound: Tensor, bank: Bank, face: Tensor | None) -> Tensor:
        """Predicted velocity of a window of frames.

        Parameters
        ----------
        latents : (1, 4, f, h, w)
        time : timestep of the noise schedule
        sound : (f, tokens, k) audio features of each frame
        bank : result of :func:`reference_features`; empty for the unconditional pass
        face : (1, c, h, w) features of the face's mask; None for the unconditional pass

        Returns
        -------
        (1, 4, f, h, w)
        """
        self._attending.bank, self._attending.face = bank, face
        at = torch.tensor(time, device=latents.device)
        out: Tensor = self.network(latents, at, encoder_hidden_states=sound).sample
        return out
