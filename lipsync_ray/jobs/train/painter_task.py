"""Train how inner mouths look, by the open mouths of clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lipsync_ray.faces.inner_mouth import Spots, lit
from lipsync_ray.faces.mesh import gap_of
from lipsync_ray.faces.mouth_painter import LipEdges
from lipsync_ray.faces.patch import INSIDE, INSIDE_HEADS
from lipsync_ray.jobs.train.corpus import Corpus
from lipsync_ray.jobs.train.training_task import I64, TrainingTask
from lipsync_ray.media.picture import Box
from lipsync_ray.models.checkpoint import read_entries
from lipsync_ray.models.inner_mouths import PainterNet

F32 = NDArray[np.float32]

_OPEN = 0.035  # eye distances: gap from which a frame shows an inner mouth
_EDGE = 0.01  # eye distances from the lips' landmarks that are not learnt: they are inexact
_LOWER_EDGE = 0.3  # of the gap, at the lower lip likewise: the landmarks of a wide open mouth lie on it
_CORNERS = 0.9  # of the mouth's half width, beyond which likewise
_CLOSED = 0.05  # of a clip's frames, the most closed ones
_FULL = 20.0  # pixels of an inner mouth that counts fully
_COLOUR = 1 / 40  # weight of a colour's levels beside luma relative to the cheeks'
_PLAIN = 0.01  # weight of the length of people's descriptions
_TESTED = 256  # held-out clips
_DARK = 0.3  # brightness of lips where nothing is painted


@dataclass(frozen=True)
class OpenMouths:
    """Inner mouths: shapes (b, 5), people (b,), skin, side, u and v (b,) each of a Tone, places (b, 40, 40) of Spots,
    pictures (b, 40, 40, 3), and weights (b, 40, 40), 0 outside the lips, whose sum is 1 at most.
    """

    shapes: Tensor
    people: Tensor
    tones: Tensor
    at: Spots
    pictures: Tensor
    weights: Tensor

    def to(self, device: torch.device) -> OpenMouths:
        at = Spots._make((*(place.to(device) for place in self.at[:-1]), self.at.pixel))
        others = (self.shapes, self.people, self.tones, self.pictures, self.weights)
        shapes, people, tones, pictures, weights = (tensor.to(device) for tensor in others)
        return OpenMouths(shapes, people, tones, at, pictures, weights)


class InnerMouths(TrainingTask):
    """A painter of inner mouths, added to a checkpoint of lip poses.

    Parameters
    ----------
    init : the checkpoint, for the model `warp`
    """

    title = "How inner mouths look"
    measures = (
        "A model of lip poses with a painter of inner mouths for people whom a video never shows with the mouth open. "
        "`lipsync-ray dub --model <this file>` uses it."
    )
    control = False
    clips = 48
    rate = 1e-2
    decay = 0.0

    def __init__(self, corpus: Corpus, init: Path) -> None:
        super().__init__(corpus)
        self._init = init

    def make(self) -> nn.Module:
        return PainterNet(int(self.corpus.person.max()) + 1)

    def loss(
        self, network: nn.Module, clips: I64, rng: np.random.Generator, device: torch.device, done: float
    ) -> Tensor:
        batch = self.batch(clips, rng).to(device)
        luma, u, v = network(batch.shapes, batch.people, batch.tones[:, 0], batch.at)
        errors = _errors(luma, u, v, batch)
        described = _plain(network).people.weight
        loss: Tensor = sum(errors.values(), _PLAIN * described.square().mean())
        return loss

    def batch(self, clips: I64, rng: np.random.Generator | None = None) -> OpenMouths:
        """An open mouth of each clip: a random one if `rng` is given, else the widest."""
        corpus = self.corpus
        assert corpus.insides is not None
        shapes, places, weights, rows = [], [], [], []
        for clip in clips.tolist():
            lips = corpus.lips[corpus.rows(clip)] + corpus.usual[clip].astype(np.float64)
            gaps = gap_of(lips)
            order = np.argsort(gaps, kind="stable")
            closed = lips[order[: max(1, int(np.ceil(_CLOSED * len(gaps))))]].mean(0)
            wide = order[gaps[order] >= _OPEN] if rng is not None else order[-1:]
            frame = int(rng.choice(wide)) if rng is not None and len(wide) else int(order[-1])
            edges = LipEdges.of(lips[frame], closed)
            at = edges.spots(Box(0, 0, INSIDE, INSIDE), INSIDE_HEADS)
            inside = (
                (at.above > _EDGE)
                & (at.below > np.maximum(_EDGE, _LOWER_EDGE * (at.above + at.below)))
                & (abs(at.across) < _CORNERS)
            )
            shapes.append(edges.shape.astype(np.float32))
            places.append(at)
            weights.append(inside / np.float32(max(_FULL, inside.sum())))
            rows.append(int(corpus.first[clip]) + frame)
        found = (np.stack(some) for some in list(zip(*places, strict=True))[:-1])
        return OpenMouths(
            torch.from_numpy(np.stack(shapes)),
            torch.from_numpy(corpus.person[clips]),
            torch.from_numpy(corpus.tones[rows]),
            Spots._make((*map(torch.from_numpy, found), places[0].pixel)),
            torch.from_numpy(corpus.insides[rows].astype(np.float32)),
            torch.from_numpy(np.stack(weights).astype(np.float32)),
        )

    def figures(self, network: nn.Module, device: torch.device) -> dict[str, float | None]:
        """Mean error of luma relative to the cheeks', in people held out, of what is painted and of a flat dark mouth."""
        batch = self.batch(self.held_out(_TESTED)).to(device)
        plain = _plain(network)
        with torch.inference_mode():
            described = self.described(plain)[None].expand(len(batch.shapes), -1)
            luma, u, v = plain(batch.shapes, batch.people, batch.tones[:, 0], batch.at, described)
            found = _errors(luma, u, v, batch)
            dark = torch.full_like(batch.weights, _DARK)
            flat = _errors(dark, dark, dark, batch)
        return {"painted": float(found["luma"]), "flat": float(flat["luma"])}

    def described(self, network: PainterNet) -> Tensor:
        """(DESCRIBED,) description of the people who are painted."""
        return network.people.weight.mean(0)

    def finish(self, networks: Sequence[nn.Module]) -> None:
        network = _plain(networks[0])
        entries = read_entries(self._init, lazily=False)
        kept = {name: entry for name, entry in entries.items() if not name.startswith("painter.")}
        with torch.inference_mode():
            described = network.described_as(self.described(network))
        self.state = kept | {f"painter.{name}": entry.float() for name, entry in described.items()}
        found = self.figures(network, next(network.parameters()).device)
        self.measured = {
            "error of brightness, relative to the cheeks', of the widest open mouths": f"{found['painted']:.2f}",
            "of a flat dark mouth": f"{found['flat']:.2f}",
        }


def _plain(network: nn.Module) -> PainterNet:
    """The network itself, where it stands for several processes' networks."""
    plain = getattr(network, "module", network)
    assert isinstance(plain, PainterNet)
    return plain


def _errors(luma: Tensor, u: Tensor, v: Tensor, batch: OpenMouths) -> dict[str, Tensor]:
    """Mean absolute errors of luma relative to the cheeks', of its vertical differences, and of both colours."""
    skin, side, cheek_u, cheek_v = batch.tones[:, :, None, None].unbind(1)
    painted, real = lit(batch.at.x, side) * luma, batch.pictures[..., 0] / skin
    weights = batch.weights
    steps = ((painted - real).diff(dim=1)).abs() * weights[:, 1:] * (weights[:, :-1] > 0)
    errors = {
        "luma": (painted - real).abs() * weights,
        "edges": steps,
        "u": (cheek_u * u + 128 - batch.pictures[..., 1]).abs() * weights * _COLOUR,
        "v": (cheek_v * v + 128 - batch.pictures[..., 2]).abs() * weights * _COLOUR,
    }
    return {name: error.sum((1, 2)).mean() for name, error in errors.items()}
