"""Samples a video of any length with a diffusion network that processes a few frames at a time.

Each denoising step covers the video with overlapping windows, whose positions shift from step to step, so all frames
are denoised together. From AnimateDiff's long videos, as used by Chen et al. 2024 (arXiv:2407.08136). The schedule is
DDIM (Song et al. 2021, arXiv:2010.02502) with zero terminal signal-to-noise ratio (Lin et al. 2024, arXiv:2305.08891).
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
"""(frame numbers of a window, their latents (1, 4, f, h, w), timestep, whether conditioned on reference and sound) ↦ velocity."""

CONTEXT = 12  # frames per window
OVERLAP = 3  # frames shared with the previous window
SHIFT = 2  # frames by which windows move from step to step
LIMIT = 1.5  # bound of the initial noise


def closed_windows(frames: int, step: int, context: int = CONTEXT, overlap: int = OVERLAP) -> I64:
    """The windows of a step as in the published pipeline: cyclic, the first frame follows the last.

    Parameters
    ----------
    frames : number of frames of the video
    step : denoising step, from 0

    Returns
    -------
    (w, min(frames, context)) frame numbers; a video that fits one window is rotated in it from step to step
    """
    starts = np.arange(0, frames, context - overlap) if frames > context else np.zeros(1, np.int64)
    window = np.arange(min(frames, context))
    return np.asarray((starts[:, None] + window + SHIFT * step) % frames, np.int64)


def open_windows(frames: int, step: int, context: int = CONTEXT, overlap: int = OVERLAP) -> I64:
    """The windows of a step in temporal order: no window wraps around the video's end.

    They overlap by at least `overlap` frames, and their borders move from step to step like those of the ring.

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
    """Number of windows of all steps: the cost of sampling a video."""
    windows = closed_windows if ring else open_windows
    return sum(len(windows(frames, step)) for step in range(steps))


def noise(frames: int, side: int, seed: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """(1, 4, frames, side, side) float32 standard normal noise; the same for a seed on all machines.

    Parameters
    ----------
    side : of the latents: one eighth of the picture's
    dtype : type in which the noise is drawn; different types give different values
    """
    made = torch.Generator("cpu").manual_seed(seed)
    return torch.randn((1, 4, frames, side, side), generator=made, dtype=dtype).float()


class Sampler:
    """Denoises a video's latents step by step.

    Parameters
    ----------
    steps : number of denoising steps
    guidance : classifier-free guidance scale; 1 or less runs the network once per window, else twice
    ring : use cyclic windows, as published
    summed : add overlapping predictions instead of averaging them, as the published pipeline does without guidance

    Attributes
    ----------
    times : timestep of each step
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
        """Latents of all frames after one denoising step.

        Parameters
        ----------
        latents : (1, 4, n, h, w) float32; initially :func:`noise` clamped to ±LIMIT
        number : step, from 0
        predict : runs the network on a window
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
