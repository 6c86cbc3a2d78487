"""What the networks of every stage share: batches of one shape, on a device whose memory may not do for them."""

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
    """A network's device and batch.

    Every pass has the same shape, the last one filled up with zeros: kernels are chosen by shape, so an item's result
    does not depend on how many came with it.

    Attributes
    ----------
    device : that it runs on
    batch : items a pass; halved, for good, when the device's memory does not do
    asked : items a pass, as it was to be
    """

    def __init__(self, device: str, batch: int | None, cpu_batch: int, gpu_batch: int) -> None:
        self.device = device_of(device)
        self.batch = self.asked = batch or (cpu_batch if self.device.type == "cpu" else gpu_batch)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of results of a batch that had to be halved."""
        if self.batch == self.asked:
            return ()
        return (
            f"{self.device} had no memory for {self.asked} frames a pass of {type(self).__name__}, {self.batch} were taken: "
            "values may differ by one level from those of the larger batch",
        )

    @property
    def peak_mb(self) -> int | None:
        """Most memory that this process's networks have had of the GPU at a time, in MB; None on a CPU."""
        return round(torch.cuda.max_memory_allocated(self.device) / 1e6) if self.device.type == "cuda" else None

    def with_oom_retry(self, run: Callable[[], T]) -> T:
        """``run()``, tried again with half the batch while memory does not do.

        Raises
        ------
        ModelError : there is not enough for a single item
        """
        while True:
            try:
                return run()
            except torch.OutOfMemoryError as error:
                if self.batch == 1:
                    raise ModelError(
                        f"{type(self).__name__}: {self.device} has no memory left for a batch of one. Let fewer actors "
                        "share it (--gpus-per-actor 1)"
                    ) from error
            self.batch = max(1, self.batch // 2)
            torch.cuda.empty_cache()

    def chunks(self, count: int) -> Iterator[slice]:
        """Batches of `count` items, in order."""
        return (slice(start, min(count, start + self.batch)) for start in range(0, count, self.batch))

    def passes(self, one: Callable[..., Tensor], *arrays: NDArray[Any], none: NDArray[Number]) -> NDArray[Number]:
        """What `one` pass after the other makes of batches of `arrays`, with half the batch while memory does not do.

        Parameters
        ----------
        none : what there is where they hold no items
        """

        def run() -> NDArray[Number]:
            made = [one(*(array[chunk] for array in arrays)) for chunk in self.chunks(len(arrays[0]))]
            # One synchronisation at the end: until here a GPU has been given work without waiting for any.
            return np.concatenate([tensor.cpu().numpy() for tensor in made]) if made else none

        return self.with_oom_retry(run)

    def upload(self, array: NDArray[np.generic], more: int = 0) -> Tensor:
        """`array` on the device, filled up to a batch (and so many items `more`)."""
        filled = np.zeros((self.batch + more, *array.shape[1:]), array.dtype)
        filled[: len(array)] = array
        tensor = torch.from_numpy(filled)
        return tensor.pin_memory().to(self.device, non_blocking=True) if self.device.type == "cuda" else tensor
