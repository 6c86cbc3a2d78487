"""The training loop: steps over ranges of clips, averaged weights, a curve, checkpoints.

Every step draws its clips and their augmentation from generators seeded with its number, so that a resumed run follows
the same curve. Several processes share the clips of a step and use the same mean gradient.
"""

from __future__ import annotations

import copy
import io
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from lipsync_ray.engine.stop_signals import put_off
from lipsync_ray.engine.team import ALONE, Team
from lipsync_ray.io import storage
from lipsync_ray.jobs.train.curve import CurvePoint, StepsDone
from lipsync_ray.jobs.train.training_task import TrainingTask

TEST_EVERY = 100  # steps between two points of the curve, with a checkpoint
_TELL_S = 1.0  # between two progress messages


class Trainer:
    """One network's training, in one process of a team.

    Parameters
    ----------
    task : what to train
    seed : of the network and of every step
    steps : in all
    checkpoint : URL to resume from
    device : "cpu", "cuda", …
    bf16 : whether to compute in bfloat16 where that is precise enough
    team : rank of this process, and number of processes

    Attributes
    ----------
    network, average : the trained network, and its averaged weights, which become the model
    step, curve : progress so far
    spent_s : seconds of training so far
    clips_a_step : of all processes together
    """

    def __init__(
        self,
        task: TrainingTask,
        seed: int,
        steps: int,
        checkpoint: str,
        device: str,
        bf16: bool = False,
        team: Team = ALONE,
    ) -> None:
        self.clips_a_step = task.clips
        self._task, self._seed, self._steps, self._url, self._team = task, seed, steps, checkpoint, team
        self._device, self._bf16 = torch.device(device), bf16
        self._clips = task.corpus.clips(held_out=False)
        task.prepare(self._device)
        torch.manual_seed(seed)
        self.network = task.make().to(self._device)
        self.average = copy.deepcopy(self.network).requires_grad_(False).eval()
        self._optimizer = torch.optim.AdamW(self.network.parameters(), task.rate, weight_decay=task.decay)
        self._learnt = {name for name, _ in self.network.named_parameters()}
        self.step = 0
        self.curve: list[CurvePoint] = []
        self.spent_s = 0.0
        self._losses: list[float] = []  # since the last line of the curve
        self._kept = 0  # step of the checkpoint
        self._whole = True  # no step is half done
        if storage.exists(checkpoint):
            data = io.BytesIO(storage.read_bytes(checkpoint))
            self._resume(torch.load(data, map_location=self._device, weights_only=True))
        self._shared: nn.Module = DistributedDataParallel(self.network) if team.world_size > 1 else self.network

    def _resume(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.step = self._kept = state["step"]
        self.curve = [CurvePoint(**line) for line in state["curve"]]
        self.spent_s, self._losses = state["spent_s"], state["losses"]

    def _save(self) -> None:
        buffer = io.BytesIO()
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "step": self.step,
            "curve": [asdict(line) for line in self.curve],
            "spent_s": self.spent_s,
            "losses": self._losses,
        }
        torch.save(state, buffer)
        storage.commit_bytes(self._url, buffer.getvalue())
        self._kept = self.step

    def run(
        self, minutes: float | None = None, on_progress: Callable[[StepsDone], None] = lambda steps_done: None
    ) -> Iterator[CurvePoint]:
        """Train to the last step, or for `minutes`; yields points of the curve.

        The minutes include those of earlier starts; at least one step is made. Ctrl-C, SIGTERM and a stopping driver
        end it after the current step, which is saved.

        Only a team's first process measures, reports and saves; the others yield nothing.

        Parameters
        ----------
        on_progress : called at the start, at most once a second, and at the end
        """
        first = self._team.rank == 0
        began, next_s = time.monotonic() - self.spent_s, 0.0
        try:
            while True:
                stop = first and self._team.stopping()
                over = self.over(minutes)
                ends = self._team.broadcast(over or stop)
                if first and (ends or time.monotonic() >= next_s):
                    next_s = time.monotonic() + _TELL_S
                    on_progress(self._steps_done)
                if not stop and self.due(ends):
                    if first:
                        yield self._line()
                    self._losses = []
                if ends:
                    if first:
                        self._keep()
                        on_progress(self._steps_done)
                    return
                with put_off():
                    self._whole = False
                    self._losses.append(self.train_step())
                    self.step += 1
                    self.spent_s = time.monotonic() - began
                    self._whole = True
        except BaseException as error:
            # A signal. After an error, or if the caller closes the generator, nothing is saved.
            if first and self._whole and not isinstance(error, Exception | GeneratorExit):
                self._keep()
                on_progress(self._steps_done)
            raise

    def over(self, minutes: float | None = None) -> bool:
        """Whether the last step is done, or the time is over."""
        return self.step >= self._steps or (minutes is not None and self.step > 0 and self.spent_s >= 60 * minutes)

    def due(self, ends: bool) -> bool:
        """Whether a point of the curve is due: every :data:`TEST_EVERY` steps, and at the last step."""
        return bool(self._losses) and (ends or self.step % TEST_EVERY == 0)

    @property
    def _steps_done(self) -> StepsDone:
        return StepsDone(self.step, self.spent_s, self._kept)

    def _line(self) -> CurvePoint:
        """Measure and save a point of the curve."""
        figures = self._task.figures(self.average, self._device)
        pace = self.step * self._task.clips / max(1e-9, self.spent_s)
        loss, losses = float(np.mean(self._losses)), self._losses
        self.curve.append(CurvePoint(self.step, loss, figures, pace))
        self._losses = []
        try:
            self._save()
        except BaseException:  # it is due as before
            self.curve.pop()
            self._losses = losses
            raise
        return self.curve[-1]

    def _keep(self) -> None:
        if self.step > self._kept:
            self._save()

    def train_step(self) -> float:
        """Compute the next step without advancing `step`; return its loss."""
        task, team = self._task, self._team
        common = np.random.default_rng((self._seed, self.step))
        picked = common.choice(self._clips, min(task.clips, len(self._clips)), replace=False)
        rng = np.random.default_rng((self._seed, self.step, team.rank))
        torch.manual_seed(int(rng.integers(2**31)))
        rate = task.rate * min(1, (self.step + 1) / task.warm_up) * (1 - self.step / self._steps)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._shared.train()
        own = picked[team.rank :: team.world_size]
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16):
            loss = task.loss(self._shared, own if len(own) else picked[:1], rng, self._device, self.step / self._steps)
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if task.clip is not None:
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), task.clip)
        self._optimizer.step()
        self._remember()
        return float(loss.detach())

    @torch.no_grad()
    def _remember(self) -> None:
        keep = min(self._task.average, (1 + self.step) / (10 + self.step))
        own = self.network.state_dict()
        for name, kept in self.average.state_dict().items():
            if name in self._learnt:
                kept.lerp_(own[name], 1 - keep)
            else:  # counters, and what batch norm has seen
                kept.copy_(own[name])
