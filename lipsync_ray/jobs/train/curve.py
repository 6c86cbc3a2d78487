"""Messages of a running training: its steps, and the points of its curve."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rich.console import Console

from lipsync_ray.engine.progress import ProgressReporter, time_left

NO_CONTROL = "no control: one clip is held out"


@dataclass(frozen=True)
class StepsDone:
    """Number of steps made, including those of earlier starts.

    Attributes
    ----------
    step : number of steps
    spent_s : seconds of training
    kept : number of steps in the checkpoint
    """

    step: int
    spent_s: float
    kept: int


@dataclass(frozen=True)
class CurvePoint:
    """A point of the curve.

    Attributes
    ----------
    step : of the training
    loss : mean since the last point
    figures : the task's measures of held-out people; None for one without a control
    clips_per_s : of training, all processes together
    """

    step: int
    loss: float
    figures: dict[str, float | None]
    clips_per_s: float

    @property
    def text(self) -> str:
        """Loss, figures and rate."""
        figures = ", ".join(
            f"{name.replace('_', ' ')} {'without control' if value is None else f'{value:.2f}'}"
            for name, value in self.figures.items()
        )
        return f"loss {self.loss:.3f}, people held out: {figures}; {self.clips_per_s:.0f} clips/s"


class TrainingProgress:
    """Displays one network's training as a pass of steps, from its first message on.

    Parameters
    ----------
    name : of the network
    steps : in all
    minutes : of training after which it ends
    """

    def __init__(self, console: Console, name: str, steps: int, minutes: float | None) -> None:
        self._console, self._name, self._steps, self._minutes = console, name, steps, minutes
        self._reporter: ProgressReporter | None = None
        self._kept = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._reporter is None:
            return
        self._reporter.__exit__(kind, error, trace)
        if kind is not None:
            self._print(f"ended at step {self._reporter.done} of {self._steps}; {self._kept} are kept")

    def report(self, message: StepsDone | CurvePoint) -> None:
        """Display a message of the training."""
        if isinstance(message, StepsDone):
            self._set_steps(message)
            return
        left = self._reporter.left_s() if self._reporter is not None else None
        rest = f", {time_left(left)} left" if left else ""
        self._print(f"step {message.step} of {self._steps}, {message.text}{rest}")

    def _set_steps(self, message: StepsDone) -> None:
        if self._reporter is None:
            limit = None if self._minutes is None else max(0.0, 60 * self._minutes - message.spent_s)
            self._reporter = ProgressReporter(
                self._console, self._name, self._steps, 0, "steps", before=message.step, limit_s=limit
            )
            self._reporter.__enter__()
        self._kept = message.kept
        self._reporter.set_done(message.step)

    def _print(self, line: str) -> None:
        self._console.print(f"{self._name}: {line}", highlight=False, markup=False, soft_wrap=True)
