"""The loop that teaches a network: steps over stretches of clips, a mean of the weights, a curve, checkpoints.

Every step draws its clips and what is done to them from generators of its own number, so that a run that was killed and
started again follows the same curve. Several processes share the clips of a step, and see the same mean gradient.
"""

from __future__ import annotations

import copy
import io
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from lipsync_ray.engine.team import ALONE, Team
from lipsync_ray.io import storage
from lipsync_ray.jobs.train.subject import Subject

TEST_EVERY = 100  # steps, after which there is a line of the curve, and a checkpoint


@dataclass(frozen=True)
class Progress:
    """One line of the curve.

    Attributes
    ----------
    step : of the lesson
    loss : mean since the last line
    figures : what the subject says of people held out
    clips_per_s : of training, all processes together
    """

    step: int
    loss: float
    figures: dict[str, float]
    clips_per_s: float


class Lesson:
    """One network's training, in one process of a team.

    Parameters
    ----------
    subject : what is taught
    seed : of the network and of every step
    steps : in all
    checkpoint : URL that it can go on from
    device : "cpu", "cuda", …
    bf16 : whether it computes in bfloat16 where that is precise enough
    team : the process' place among those that train together

    Attributes
    ----------
    network, average : what is trained, and the mean of its weights, which becomes the model
    step, curve : how far it has come
    clips_a_step : of all processes together
    """

    def __init__(
        self,
        subject: Subject,
        seed: int,
        steps: int,
        checkpoint: str,
        device: str,
        bf16: bool = False,
        team: Team = ALONE,
    ) -> None:
        self.clips_a_step = subject.clips
        self._subject, self._seed, self._steps, self._url, self._team = subject, seed, steps, checkpoint, team
        self._device, self._bf16 = torch.device(device), bf16
        self._clips = subject.corpus.clips(held_out=False)
        subject.prepare(self._device)
        torch.manual_seed(seed)
        self.network = subject.make().to(self._device)
        self.average = copy.deepcopy(self.network).requires_grad_(False).eval()
        self._optimizer = torch.optim.AdamW(self.network.parameters(), subject.rate, weight_decay=subject.decay)
        self._learnt = {name for name, _ in self.network.named_parameters()}
        self.step = 0
        self.curve: list[Progress] = []
        if storage.exists(checkpoint):
            data = io.BytesIO(storage.read_bytes(checkpoint))
            self._resume(torch.load(data, map_location=self._device, weights_only=True))
        self._shared: nn.Module = DistributedDataParallel(self.network) if team.of > 1 else self.network

    def _resume(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        self.average.load_state_dict(state["average"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]
        self.curve = [Progress(**line) for line in state["curve"]]

    def _save(self) -> None:
        buffer = io.BytesIO()
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "step": self.step,
            "curve": [asdict(line) for line in self.curve],
        }
        torch.save(state, buffer)
        storage.commit_bytes(self._url, buffer.getvalue())

    def run(self, until: float | None = None) -> Iterator[Progress]:
        """Train to the last step, or until a time (:func:`time.time`); a line of the curve now and then.

        Only a team's first process measures and keeps; the others yield nothing.
        """
        began, done, losses = time.monotonic(), 0, []
        while self.step < self._steps and not self._over(until):
            losses.append(self.learn())
            self.step, done = self.step + 1, done + 1
            last = self.step == self._steps or self._over(until)
            if self.step % TEST_EVERY and not last:
                continue
            loss, losses = float(np.mean(losses)), []
            if self._team.rank == 0:
                pace = done * self._subject.clips / (time.monotonic() - began)
                figures = self._subject.figures(self.average, self._device)
                self.curve.append(Progress(self.step, loss, figures, pace))
                self._save()
                yield self.curve[-1]

    def _over(self, until: float | None) -> bool:
        """Whether the time is up; a team asks its first process, now and then, for all of them have to stop at one step."""
        if until is None:
            return False
        if self._team.of == 1:
            return time.time() >= until
        return self.step % TEST_EVERY == 0 and self._team.agreed(time.time() >= until)

    def learn(self) -> float:
        """Take the step that is next, and stay there: its loss."""
        subject, team = self._subject, self._team
        common = np.random.default_rng((self._seed, self.step))
        picked = common.choice(self._clips, min(subject.clips, len(self._clips)), replace=False)
        rng = np.random.default_rng((self._seed, self.step, team.rank))
        torch.manual_seed(int(rng.integers(2**31)))
        rate = subject.rate * min(1, (self.step + 1) / subject.warm_up) * (1 - self.step / self._steps)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._shared.train()
        own = picked[team.rank :: team.of]
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16):
            loss = subject.loss(
                self._shared, own if len(own) else picked[:1], rng, self._device, self.step / self._steps
            )
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        if subject.clip is not None:
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), subject.clip)
        self._optimizer.step()
        self._remember()
        return float(loss.detach())

    @torch.no_grad()
    def _remember(self) -> None:
        keep = min(self._subject.average, (1 + self.step) / (10 + self.step))
        own = self.network.state_dict()
        for name, kept in self.average.state_dict().items():
            if name in self._learnt:
                kept.lerp_(own[name], 1 - keep)
            else:  # counters, and what batch norm has seen
                kept.copy_(own[name])
