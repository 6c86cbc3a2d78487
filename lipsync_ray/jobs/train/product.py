"""What is learnt: a network's targets, and how what was trained becomes a checkpoint that a job loads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lipsync_ray.faces.mesh import SPEAKING
from lipsync_ray.jobs.train.corpus import Corpus, fit_basis
from lipsync_ray.jobs.train.lesson import Lesson, measure
from lipsync_ray.jobs.train.settings import TrainKind
from lipsync_ray.models.hear import POSES, Hear, Listener
from lipsync_ray.models.judge import Hearing

F32 = NDArray[np.float32]

_SURE = 0.45  # correlation from which on a number is brought to its full spread
_MOST = 4.0  # gain
_CLOSED = 0.1  # of a clip's frames


class Product(ABC):
    """One kind of training.

    Attributes
    ----------
    targets : (frames, k) float32 of the corpus' frames
    measured : what was found of people held out
    """

    title = ""
    measures = ""

    def __init__(self, targets: F32) -> None:
        self.targets = targets
        self.measured: dict[str, Any] = {}

    @abstractmethod
    def make(self) -> nn.Module:
        """A network to train."""

    @abstractmethod
    def finish(self, lessons: Sequence[Lesson]) -> None:
        """Put trained networks together, and measure them."""

    @abstractmethod
    def state(self) -> dict[str, Tensor]:
        """The checkpoint's entries."""

    def to_bytes(self) -> bytes:
        """The checkpoint: safetensors, in half precision but for what is exact."""
        from safetensors.torch import save

        return save({name: tensor.contiguous() for name, tensor in self.state().items()})

    def card(self, clips: int, held_out: int, people: int, settings: Mapping[str, Any]) -> str:
        """The model card."""
        asked = ", ".join(f"{name} {value}" for name, value in settings.items() if value is not None)
        rows = "\n".join(f"| {name} | {value} |" for name, value in self.measured.items())
        return (
            f"# {self.title}\n\n{self.measures}\n\n"
            f"Trained by `lipsync-ray train` ({asked}) on {clips - held_out} clips; {held_out} clips of other people were held "
            f"out. {people} people or groups of likenesses were told apart.\n\n"
            f"| people held out | |\n|---|---|\n{rows}\n\n"
            "The clips' licence decides what the weights may be used for. Do not make people seem to say what they did not, "
            "without their consent.\n"
        )


class PoseProduct(Product):
    """Lip poses from sound, for the model `warp`."""

    title = "Lip poses from sound"
    measures = (
        "Half a second of mel to eight numbers, which tell how lips and chin lie (their directions are in the file). "
        "`lipsync-ray dub --model <this file>` uses it."
    )

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus
        self.directions, self.readers = fit_basis(corpus, POSES)
        super().__init__(np.einsum("nsc,ksc->nk", corpus.lips, self.readers).astype(np.float32))
        self._listener: Listener | None = None

    def make(self) -> nn.Module:
        return Hear()

    @torch.inference_mode()
    def finish(self, lessons: Sequence[Lesson]) -> None:
        listener = Listener(len(lessons), len(SPEAKING))
        for own, lesson in zip(listener.networks, lessons, strict=True):
            own.load_state_dict(lesson.average.state_dict())
        batch = lessons[0].batch(self._corpus.clips(held_out=True))
        alike, other, spread = measure(listener.eval(), batch, torch.device("cpu"))  # its gain is 1 as yet
        # A mean is cautious: each number is brought to the spread it has in people, as far as it is heard at all.
        heard = alike.mean(0)
        listener.gain.copy_((heard / _SURE).clamp(0, 1) / spread.clamp_min(0.05))
        listener.gain.clamp_(1, _MOST)
        listener.closed.copy_(torch.from_numpy(self._closed()))
        listener.directions.copy_(torch.from_numpy(self.directions))
        listener.readers.copy_(torch.from_numpy(self.readers))
        self._listener = listener
        self.measured = {
            "correlation of each number, own sound": " ".join(f"{r:.2f}" for r in heard.tolist()),
            "with another clip's sound": " ".join(f"{r:.2f}" for r in other.mean(0).tolist()),
            "clips whose own sound fits the first number better": f"{float((alike[:, 0] > other[:, 0]).float().mean()):.0%}",
            "gain": " ".join(f"{gain:.2f}" for gain in listener.gain.tolist()),
        }

    def _closed(self) -> F32:
        """Mean pose of each clip's most closed frames."""
        found = []
        for clip in self._corpus.clips(held_out=False).tolist():
            rows = self._corpus.rows(clip)
            rising = np.argsort(self._corpus.gaps[rows, 0], kind="stable")
            found.append(self.targets[rows][rising[: max(1, int(_CLOSED * len(rising)))]].mean(0))
        return np.asarray(np.mean(found, axis=0), np.float32)

    def state(self) -> dict[str, Tensor]:
        assert self._listener is not None
        exact = ("readers", "gain", "closed")
        state = self._listener.state_dict()
        return {name: tensor if name in exact else tensor.half() for name, tensor in state.items()}


class JudgeProduct(Product):
    """How far a mouth should be open, for evaluations."""

    title = "A judge that hears how far a mouth opens"
    measures = (
        "Half a second of mel to opening and width of the lips; its numbers have no unit. It may teach no generator."
    )

    def __init__(self, corpus: Corpus) -> None:
        super().__init__(corpus.gaps)
        self._state: dict[str, Tensor] = {}

    def make(self) -> nn.Module:
        return Hearing()

    def finish(self, lessons: Sequence[Lesson]) -> None:
        alike, other, _ = lessons[0].tested()
        self._state = {name: tensor.half().cpu() for name, tensor in lessons[0].average.state_dict().items()}
        self.measured = {
            "correlation of opening and width, own sound": " ".join(f"{r:.2f}" for r in alike.mean(0).tolist()),
            "with another clip's sound": " ".join(f"{r:.2f}" for r in other.mean(0).tolist()),
            "clips whose own sound fits the opening better": f"{float((alike[:, 0] > other[:, 0]).float().mean()):.0%}",
        }

    def state(self) -> dict[str, Tensor]:
        return self._state


def product_of(kind: TrainKind, corpus: Corpus) -> Product:
    """The kind of training that was asked for."""
    return PoseProduct(corpus) if kind == "pose" else JudgeProduct(corpus)
