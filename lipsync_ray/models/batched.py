"""Runs networks in batches of a fixed shape, and halves the batch if the device runs out of memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lipsync_ray.compute import device_of
from lipsync_ray.errors import ModelError

T = TypeVar("T")
Number = TypeVar("Number", bound=np.generic)


class Batched:
    """Base class of networks that run in batches on a device.

    Every batch has the same shape; the last one is padded with zeros. Kernels are chosen by shape, so an item's result
    does not depend on the number of items.

    Attributes
    ----------
    device : torch device
    batch : items per batch; permanently halved when the device runs out of memory
    requested : items per batch before any halving
    """

    def __init__(self, device: str, batch: int | None, cpu_batch: int, gpu_batch: int) -> None:
        self.device = device_of(device)
        self.batch = self.requested = batch or (cpu_batch if self.device.type == "cpu" else gpu_batch)

    @property
    def notes(self) -> tuple[str, ...]:
        """A warning for results if the batch was halved."""
        if self.batch == self.requested:
            return ()
        return (
            f"{self.device} ran out of memory for batches of {self.requested} frames in {type(self).__name__}; batches of {self.batch} were used: "
            "values may differ by one grey level",
        )

    @property
    def peak_mb(self) -> int | None:
        """Peak GPU memory of this process in MB; None on a CPU."""
        return round(torch.cuda.max_memory_allocated(self.device) / 1e6) if self.device.type == "cuda" else None

    def with_oom_retry(self, run: Callable[[], T]) -> T:
        """Call ``run()``; repeat it with half the batch as long as memory runs out.

        Raises
        ------
        ModelError : not enough memory for a single item
        """
        while True:
            try:
                return run()
            except torch.OutOfMemoryError as error:
                if self.batch == 1:
                    raise ModelError(
                        f"{type(self).__name__}: {self.device} ran out of memory with a batch of one. Let fewer actors share it "
                        "(--gpus-per-actor 1)"
                    ) from error
            self.batch = max(1, self.batch // 2)
            torch.cuda.empty_cache()

    def chunks(self, count: int) -> Iterator[slice]:
        """Slices that split `count` items into batches."""
        return (slice(start, min(count, start + self.batch)) for start in range(0, count, self.batch))

    def passes(self, one: Callable[..., Tensor], *arrays: NDArray[Any], none: NDArray[Number]) -> NDArray[Number]:
        """Apply `one` to batches of `arrays`, with half the batch if memory runs out, and join the results.

        Parameters
        ----------
        none : the result for arrays without items
        """

        def run() -> NDArray[Number]:
            made = [one(*(array[chunk] for array in arrays)) for chunk in self.chunks(len(arrays[0]))]
            # Results are fetched at the end: until then the GPU is fed without waiting.
            return np.concatenate([tensor.cpu().numpy() for tensor in made]) if made else none

        return self.with_oom_retry(run)

    def upload(self, array: NDArray[np.generic], more: int = 0) -> Tensor:
        """Copy `array` to the device, padded with zeros to a batch plus `more` items."""
        filled = np.zeros((self.batch + more, *array.shape[1:]), array.dtype)
        filled[: len(array)] = array
        tensor = torch.from_numpy(filled)
        return tensor.pin_memory().to(self.device, non_blocking=True) if self.device.type == "cuda" else tensor
