"""What can be taught: a network, the loss of a step, what is measured of people held out, and the checkpoint it becomes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lipsync_ray.jobs.train.corpus import Corpus

I64 = NDArray[np.int64]


class TrainingTask(ABC):
    """One kind of training.

    Attributes
    ----------
    title, measures : of the model card: its heading, and what the model is
    control : whether what it does with another clip's sound is measured, too
    clips : in a step, of all processes together
    rate, decay, average : AdamW's learning rate and weight decay; of the mean of the weights that becomes the model
    warm_up : steps
    clip : largest norm of the gradient; None for any
    measured : what was found of people held out, for the card and run.json
    state : the checkpoint's entries, once it is finished
    """

    title: ClassVar[str]
    measures: ClassVar[str]
    control: ClassVar[bool] = True
    clips: int = 24
    rate: float = 1.5e-3
    decay: float = 0.05
    average: float = 0.99
    warm_up: int = 50
    clip: float | None = None

    def __init__(self, corpus: Corpus) -> None:
        self.corpus = corpus
        self.measured: dict[str, Any] = {}
        self.state: dict[str, Tensor] = {}

    @abstractmethod
    def make(self) -> nn.Module:
        """A network to train."""

    @abstractmethod
    def loss(
        self, network: nn.Module, clips: I64, rng: np.random.Generator, device: torch.device, done: float
    ) -> Tensor:
        """The loss of a step, over stretches of these clips that `rng` chooses.

        Parameters
        ----------
        network : is called, or its parameters read; it may stand for several processes' networks
        done : part of the training that is over
        """

    @abstractmethod
    def figures(self, network: nn.Module, device: torch.device) -> dict[str, float | None]:
        """What a line of the curve says of the network beside its loss, by people held out.

        None for what compares with another clip, where one alone is held out.
        """

    @abstractmethod
    def finish(self, networks: Sequence[nn.Module]) -> None:
        """Put trained networks together, and measure them: `state` and `measured`."""

    def prepare(self, device: torch.device) -> None:
        """Load what helps to teach, before the first step."""
        return None

    def held_out(self, most: int) -> I64:
        """Clips of people held out, so many at most, spread over all of them."""
        clips = self.corpus.clips(held_out=True)
        return clips[np.linspace(0, len(clips) - 1, min(most, len(clips))).astype(np.int64)]

    def to_bytes(self) -> bytes:
        """The checkpoint, as safetensors."""
        from safetensors.torch import save

        return save({name: tensor.detach().cpu().contiguous() for name, tensor in self.state.items()})

    def card(
        self,
        clips: int,
        held_out: int,
        people: int,
        settings: Mapping[str, Any],
        steps: str,
        terms: str | None = None,
    ) -> str:
        """The model card; `terms` are of the weights that it started from, `steps` those that were made."""
        asked = ", ".join(f"{name} {value}" for name, value in settings.items() if value is not None)
        rows = "\n".join(f"| {name} | {value} |" for name, value in self.measured.items())
        apart = "1 clip of another person was" if held_out == 1 else f"{held_out} clips of other people were"
        return (
            f"# {self.title}\n\n{self.measures}\n\n"
            f"Trained by `lipsync-ray train` ({asked}) for {steps} on {clips - held_out} clips; {apart} held out. "
            f"{people} "
            "people or groups of likenesses were told apart.\n\n"
            f"| people held out | |\n|---|---|\n{rows}\n\n"
            + (f"{terms}\n\n" if terms else "")
            + "The clips' licence decides what the weights may be used for. Do not make people seem to say what "
            "they did not, "
            "without their consent.\n"
        )


def halved(network: nn.Module) -> dict[str, Tensor]:
    """A network's entries in half precision, but for counters."""
    return {name: t.half() if t.is_floating_point() else t for name, t in network.state_dict().items()}
