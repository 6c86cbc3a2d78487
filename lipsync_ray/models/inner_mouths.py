"""Learns how inner mouths look: the network behind :class:`~lipsync_ray.faces.mouth_painter.MouthPainter`.

In training each person has a description of its own. Otherwise teeth would be the mean of people who show them and of
people who do not. The result has the description of people who do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from lipsync_ray.faces.inner_mouth import MOMENTARY, PERSONAL, Spots, brighter, inner_mouth
from lipsync_ray.faces.mouth_painter import FARTHEST, SPREAD_SHAPE, USUAL_SHAPE, MouthPainter

HIDDEN, DESCRIBED = 24, 6


class PainterNet(nn.Module):
    """Sets dials from the lips' shape and who it is; some 700 parameters, and six for each person.

    ``forward``: shapes (n, 5), people (n,), cheeks' luma (n,), and places (n, h, w), to (n, h, w) each of
    :func:`~lipsync_ray.faces.inner_mouth.inner_mouth`. Descriptions (n, DESCRIBED) take the people's place, if given.

    Parameters
    ----------
    people : number of them
    """

    def __init__(self, people: int) -> None:
        super().__init__()
        self.people = nn.Embedding(people, DESCRIBED)
        self.personal = nn.Linear(DESCRIBED, len(PERSONAL))
        self.first = nn.Linear(len(USUAL_SHAPE) + DESCRIBED, HIDDEN)
        self.second = nn.Linear(HIDDEN, len(MOMENTARY))
        nn.init.normal_(self.people.weight, 0, 0.1)
        for layer in (self.personal, self.second):
            nn.init.normal_(layer.weight, 0, 0.3)
            nn.init.zeros_(layer.bias)  # the middles of the ranges

    def forward(
        self, shapes: Tensor, people: Tensor, skin: Tensor, at: Spots, described: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        if described is None:
            described = self.people(people)
        return inner_mouth(at, self.dials(shapes, described, skin))

    def dials(self, shapes: Tensor, described: Tensor, skin: Tensor) -> dict[str, Tensor]:
        """The dials (n, 1, 1), for (n, 5) shapes, (n, DESCRIBED) descriptions and (n,) luma."""
        scaled = (shapes - shapes.new_tensor(USUAL_SHAPE)) / shapes.new_tensor(SPREAD_SHAPE)
        hidden = self.first(torch.cat((scaled.clip(-FARTHEST, FARTHEST), described), 1)).tanh()
        found = _in_range(self.personal(described), PERSONAL) | _in_range(self.second(hidden), MOMENTARY)
        more = brighter(skin)[:, None, None]
        return found | {name: found[name] * more for name in ("upper_luma", "lower_luma")}

    def described_as(self, described: Tensor) -> dict[str, Tensor]:
        """Entries of a :class:`PainterWeights` that paints people of this (DESCRIBED,) description."""
        shape = len(USUAL_SHAPE)
        return {
            "personal": self.personal(described),
            "first": self.first.weight[:, :shape],
            "first_bias": self.first.bias + self.first.weight[:, shape:] @ described,
            "second": self.second.weight,
            "second_bias": self.second.bias,
        }


def _in_range(odds: Tensor, ranges: Mapping[str, tuple[float, float]]) -> dict[str, Tensor]:
    parts = odds.sigmoid().unbind(1)
    return {
        name: (low + part * (high - low))[:, None, None]
        for part, (name, (low, high)) in zip(parts, ranges.items(), strict=True)
    }


class PainterWeights(nn.Module):
    """The entries of a checkpoint that make a :class:`~lipsync_ray.faces.mouth_painter.MouthPainter`."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("personal", torch.zeros(len(PERSONAL)))
        self.register_buffer("first", torch.zeros(HIDDEN, len(USUAL_SHAPE)))
        self.register_buffer("first_bias", torch.zeros(HIDDEN))
        self.register_buffer("second", torch.zeros(len(MOMENTARY), HIDDEN))
        self.register_buffer("second_bias", torch.zeros(len(MOMENTARY)))

    def painter(self) -> MouthPainter:
        arrays: dict[str, Any] = {name: entry.float().cpu().numpy() for name, entry in self.state_dict().items()}
        return MouthPainter(**arrays)
