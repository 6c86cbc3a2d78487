"""FID from sums that can be added: how many features, their sum, and the sum of their products.

Nothing else of a feature is kept, and any split of the pictures gives the same sums (Heusel et al. 2017,
arXiv:1706.08500; spec/evaluation.md, B.6).
"""

from __future__ import annotations

import io
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

LIMIT_S = 900.0  # a square root of 2048 × 2048 takes half a minute on one core
ENOUGH = 2048  # pictures a side, below which the covariance of 2048 features is not of full rank


@dataclass(frozen=True)
class Moments:
    """Of n feature vectors x of d numbers.

    Attributes
    ----------
    count : n
    total : (d,) Σ x
    products : (d, d) Σ x xᵀ
    """

    count: int
    total: F64
    products: F64

    @classmethod
    def of(cls, features: NDArray[np.float32]) -> Moments:
        """Of (n, d) features."""
        x = np.asarray(features, np.float64)
        return cls(len(x), x.sum(axis=0), x.T @ x)

    @classmethod
    def nothing(cls, dims: int) -> Moments:
        return cls(0, np.zeros(dims), np.zeros((dims, dims)))

    def __add__(self, other: Moments) -> Moments:
        return Moments(self.count + other.count, self.total + other.total, self.products + other.products)

    @property
    def mean(self) -> F64:
        return self.total / self.count

    @property
    def covariance(self) -> F64:
        """Unbiased, as numpy.cov gives it; needs two features."""
        return (self.products - self.count * np.outer(self.mean, self.mean)) / (self.count - 1)

    def to_bytes(self) -> bytes:
        """The lower triangle is kept, since the other one equals it."""
        buffer = io.BytesIO()
        lower = self.products[np.tril_indices(len(self.total))]
        np.savez(buffer, count=self.count, total=self.total, lower=lower)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Moments:
        with np.load(io.BytesIO(data)) as arrays:
            count, total, lower = int(arrays["count"]), arrays["total"], arrays["lower"]
        products = np.zeros((len(total), len(total)))
        rows, columns = np.tril_indices(len(total))
        products[rows, columns] = lower
        products[columns, rows] = lower
        return cls(count, total, products)


def frechet_distance(a: Moments, b: Moments) -> float:
    """‖μa − μb‖² + Tr(Σa + Σb − 2 (Σa Σb)^½), computed by pytorch-fid.

    Raises
    ------
    ValueError : fewer than two pictures on a side, features that are no numbers, or a square root that does not exist
        or is not found in :data:`LIMIT_S`
    """
    import contextlib
    import warnings

    from pytorch_fid.fid_score import calculate_frechet_distance
    from scipy.linalg import LinAlgWarning

    if min(a.count, b.count) < 2:
        raise ValueError(
            f"{a.count} and {b.count} pictures; FID needs two a side, and means something from {ENOUGH} on"
        )
    for side, moments in (("dubbed", a), ("real", b)):
        # The square root of a matrix with a NaN in it is looked for for ever.
        if not (np.isfinite(moments.total).all() and np.isfinite(moments.products).all()):
            raise ValueError(
                f"the features of the {side} pictures are not all numbers (NaN or infinite): broken weights?"
            )

    def compute() -> float:
        # It prints a note where it steadies a singular product, and asks scipy (held back below 1.18) in an old way.
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", LinAlgWarning)  # of too few pictures, which the result's own note says
            return float(calculate_frechet_distance(a.mean, a.covariance, b.mean, b.covariance))

    value = _within(LIMIT_S, compute)
    if not np.isfinite(value):
        raise ValueError("the distance is not a number")
    return max(0.0, value)  # two equal sides are a rounding error apart, on either side of zero


def _within(seconds: float, compute: Callable[[], float]) -> float:
    """What is computed, on a thread that is given up after a time: LAPACK cannot be interrupted."""
    answers: queue.SimpleQueue[float | Exception] = queue.SimpleQueue()

    def work() -> None:
        try:
            answers.put(compute())
        except Exception as error:
            answers.put(error)

    threading.Thread(target=work, daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except queue.Empty:
        raise ValueError(f"its square root was not found in {seconds:.0f} s") from None
    if isinstance(answer, Exception):
        raise answer
    return answer
