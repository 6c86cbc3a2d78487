"""EchoMimic's networks, of diffusers' classes: what of them attends otherwise, and what is theirs alone.

A reference UNet looks at the portrait once and writes down what its self-attentions see; the denoising UNet, with AnimateDiff's
motion modules, reads that beside its own tokens, and hears by cross-attention. Chen et al. 2024, arXiv:2407.08136; shapes and
factors are those of antgroup/echomimic.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

AUDIO_SCALE = 3.0  # times what cross-attention adds
LOCATOR_WIDTHS = (16, 16, 32, 32, 96, 96, 256)
Bank = dict[str, Tensor]
"""Transformer block → (1, tokens, width): what its self-attention saw of the reference."""


class FaceLocator(nn.Module):
    """Where the face is: a mask, made features of the size of latents.

    Parameters
    ----------
    out : channels, as many as the denoising UNet's first block has
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
        """(b, out, h / 8, w / 8) of a mask (b, 1, h, w) in [0, 1]."""
        features = functional.silu(self.conv_in(mask))
        for block in self.blocks:
            features = functional.silu(block(features))
        out: Tensor = self.conv_out(features)
        return out


class FrameGroupNorm(nn.GroupNorm):
    """A group norm of videos whose statistics are those of each frame alone."""

    def forward(self, video: Tensor) -> Tensor:
        """(b, c, f, h, w) of the same."""
        frames = video.transpose(1, 2)
        normed = super().forward(frames.flatten(0, 1))
        return normed.reshape(frames.shape).transpose(1, 2)


@dataclass
class Attending:
    """What the denoising UNet's attentions work with in one pass.

    Attributes
    ----------
    bank : of the reference; empty for a pass without one
    face : (1, c, h, w), what the locator made of the mask; None for none
    """

    bank: Bank = field(default_factory=dict)
    face: Tensor | None = None


def _attended(attention: Any, own: Tensor, context: Tensor) -> Tensor:
    """Plain attention of tokens (b, n, c) to a context (b, m, k): no mask, and no bias but the output's."""
    query, key, value = (
        project(tokens).unflatten(-1, (attention.heads, -1)).transpose(1, 2)
        for project, tokens in ((attention.to_q, own), (attention.to_k, context), (attention.to_v, context))
    )
    features = functional.scaled_dot_product_attention(query, key, value)
    out: Tensor = attention.to_out[0](features.transpose(1, 2).flatten(2))
    return out


class _ReadReference:
    """Self-attention to a frame's own tokens and, after them, those of the reference."""

    def __init__(self, name: str, attending: Attending) -> None:
        self._name, self._attending = name, attending

    def __call__(self, attention: Any, hidden_states: Tensor, *unused: Any, **ignored: Any) -> Tensor:
        context = hidden_states
        if (written := self._attending.bank.get(self._name)) is not None:
            context = torch.cat((hidden_states, written.expand(len(hidden_states), -1, -1)), dim=1)
        return _attended(attention, hidden_states, context)


class _ScaledAttention:
    """Cross-attention to a frame's sound, three times as loud."""

    def __call__(
        self, attention: Any, hidden_states: Tensor, encoder_hidden_states: Tensor, *unused: Any, **ignored: Any
    ) -> Tensor:
        return AUDIO_SCALE * _attended(attention, hidden_states, encoder_hidden_states)


class _Plain:
    """Self-attention, of the reference UNet."""

    def __call__(self, attention: Any, hidden_states: Tensor, *unused: Any, **ignored: Any) -> Tensor:
        return _attended(attention, hidden_states, hidden_states)


def _spatial(network: nn.Module) -> dict[str, Any]:
    """Name → transformer block over a picture's tokens, not over frames."""
    return {
        name: module
        for name, module in network.named_modules()
        if ".attentions." in name and name.endswith(".transformer_blocks.0")
    }


def reference_unet(config: dict[str, Any]) -> Any:
    """The network that looks at the portrait: without cross-attention and without an output."""
    from diffusers import UNet2DConditionModel

    network = UNet2DConditionModel(**config)
    for block in _spatial(network).values():
        block.attn2 = block.norm2 = None
        block.attn1.set_processor(_Plain())
    network.conv_norm_out, network.conv_out = None, nn.Identity()
    return network


def written(network: Any, latents: Tensor) -> Bank:
    """What a reference UNet's self-attentions see of latents (1, 4, h, w), at time 0."""
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
    """The network that draws, with its motion modules; see :class:`Denoising` for how it attends."""
    from diffusers import UNetMotionModel
    from diffusers.models.unets.unet_motion_model import AnimateDiffTransformer3D

    network = UNetMotionModel(**config)
    for module in network.modules():
        if isinstance(module, AnimateDiffTransformer3D):
            pooled = module.norm  # over all frames, as diffusers has it
            module.norm = FrameGroupNorm(pooled.num_groups, pooled.num_channels, pooled.eps, pooled.affine)
    return network


class Denoising:
    """A denoising UNet that reads a reference and hears.

    Parameters
    ----------
    network : of :func:`denoising_unet`
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
        """The predicted velocity of a window of frames.

        Parameters
        ----------
        latents : (1, 4, f, h, w)
        time : of the noise schedule
        sound : (f, tokens, k) of each frame
        bank : what :func:`written` gives; empty for the pass that is shown no reference
        face : (1, c, h, w) of the locator; None likewise

        Returns
        -------
        (1, 4, f, h, w)
        """
        self._attending.bank, self._attending.face = bank, face
        at = torch.tensor(time, device=latents.device)
        out: Tensor = self.network(latents, at, encoder_hidden_states=sound).sample
        return out
