"""Sampling of a video by a network that sees a few frames at a time: which ones, from what noise, and how they are averaged.

Every step goes over windows that overlap, and begins elsewhere than the last one: all frames of a video advance together, so a
video is sampled in one place, whatever its length. Chen et al. 2024 (arXiv:2407.08136) after AnimateDiff's long videos; the
schedule is DDIM (Song et al. 2021, arXiv:2010.02502) with a zero signal-to-noise ratio at its end (Lin et al. 2024,
arXiv:2305.08891).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

I64 = NDArray[np.int64]
Predict = Callable[[I64, Tensor, int, bool], Tensor]
"""(frames of a window, their latents (1, 4, f, h, w), time, whether it is shown the reference and the sound) ↦ velocity."""

CONTEXT = 12  # frames that the network sees at a time
OVERLAP = 3  # of which the window before has seen so many
SHIFT = 2  # frames by which the windows move from step to step
LIMIT = 1.5  # of the noise that is begun with


def closed_windows(frames: int, step: int, context: int = CONTEXT, overlap: int = OVERLAP) -> I64:
    """The windows of a step as the published pipeline lays them: a ring, in which the last frame comes before the first one.

    Parameters
    ----------
    frames : of the video
    step : of the sampling, from 0

    Returns
    -------
    (w, min(frames, context)) frame numbers; a video that one window holds is turned in it from step to step
    """
    starts = np.arange(0, frames, context - overlap) if frames > context else np.zeros(1, np.int64)
    window = np.arange(min(frames, context))
    return np.asarray((starts[:, None] + window + SHIFT * step) % frames, np.int64)


def open_windows(frames: int, step: int, context: int = CONTEXT, overlap: int = OVERLAP) -> I64:
    """The windows of a step that keep to the order of time: none holds both ends of the video.

    They overlap by at least `overlap` frames, and their borders move with the steps like those of the ring.

    Returns
    -------
    (w, min(frames, context)) frame numbers, each ascending
    """
    window = np.arange(min(frames, context))
    if frames <= context:
        return window[None]
    stride = context - overlap
    first = SHIFT * step % stride - stride
    starts = np.unique(np.clip(np.arange(first, frames - overlap, stride), 0, frames - context))
    return np.asarray(starts[:, None] + window, np.int64)


def count_windows(frames: int, steps: int, ring: bool = False) -> int:
    """Windows that all steps look at together: what sampling a video costs."""
    windows = closed_windows if ring else open_windows
    return sum(len(windows(frames, step)) for step in range(steps))


def noise(frames: int, side: int, seed: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """(1, 4, frames, side, side) normal numbers that a seed decides, whatever the machine.

    Parameters
    ----------
    side : of the latents: an eighth of the picture's
    dtype : that they are drawn in; another one draws others
    """
    made = torch.Generator("cpu").manual_seed(seed)
    return torch.randn((1, 4, frames, side, side), generator=made, dtype=dtype).float()


class Sampler:
    """The steps from noise to a video's latents.

    Parameters
    ----------
    steps : how many
    guidance : by how much what the reference and the sound change is exaggerated; 1 or less asks the network once, not twice
    ring : the windows are closed, as published
    summed : overlapping predictions are added up instead of averaged, as the published pipeline does without guidance

    Attributes
    ----------
    times : of the noise schedule, one a step
    """

    def __init__(self, steps: int, guidance: float, ring: bool = False, summed: bool = False) -> None:
        from diffusers import DDIMScheduler

        self._schedule: Any = DDIMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="linear",
            clip_sample=False,
            steps_offset=1,
            prediction_type="v_prediction",
            rescale_betas_zero_snr=True,
            timestep_spacing="trailing",
        )
        self._schedule.set_timesteps(steps)
        self.times: list[int] = self._schedule.timesteps.tolist()
        self._guidance, self._windows = guidance, closed_windows if ring else open_windows
        self._summed = summed

    def step(self, latents: Tensor, number: int, predict: Predict) -> Tensor:
        """The latents of all frames after a step.

        Parameters
        ----------
        latents : (1, 4, n, h, w) float32; before the first step :func:`noise`, clamped to ±LIMIT
        number : of the step, from 0
        """
        time = self.times[number]
        guided = self._guidance > 1
        total = torch.zeros_like(latents)
        blind = torch.zeros_like(latents) if guided else None
        count = torch.zeros(latents.shape[2], device=latents.device)
        for window in self._windows(latents.shape[2], number):
            at = torch.from_numpy(window).to(latents.device)
            window_latents = latents[:, :, at]
            total[:, :, at] += predict(window, window_latents, time, True).float()
            if blind is not None:
                blind[:, :, at] += predict(window, window_latents, time, False).float()
            count[at] += 1
        if self._summed:
            count.fill_(1)
        velocity = total / count[:, None, None]
        if blind is not None:
            without = blind / count[:, None, None]
            velocity = without + self._guidance * (velocity - without)
        after: Tensor = self._schedule.step(velocity, time, latents, eta=0.0).prev_sample
        return after
