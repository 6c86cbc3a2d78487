"""Closures of lips, counted from their gaps."""

import numpy as np
import pytest

from lipsync_ray.metrics.closures import auc, least_gaps, shared_closures, short_closures


def test_the_least_gap_is_looked_for_near_a_moment():
    gaps = np.array([0.1, 0.01, 0.1, 0.1, 0.1, 0.0])
    assert least_gaps(gaps, [0, 3, 4], 1).tolist() == [0.01, 0.1, 0.0]
    assert least_gaps(gaps, [3], 0).tolist() == [0.1]
    assert len(least_gaps(gaps, [], 3)) == 0


def test_the_area_under_the_curve_counts_pairs():
    rng = np.random.default_rng(0)
    higher, lower = rng.integers(0, 9, 40) + 2, rng.integers(0, 9, 60)
    pairs = (higher[:, None] > lower).mean() + (higher[:, None] == lower).mean() / 2
    assert auc(higher, lower) == pytest.approx(pairs)
    assert auc(lower, higher) == pytest.approx(1 - pairs)
    assert auc(np.ones(3), np.ones(4)) == 0.5
    assert auc(np.ones(0), np.ones(4)) == 0.5


@pytest.mark.parametrize(
    ("closed", "runs"),
    [
        ("0110", [(1, 3)]),
        ("1100", []),
        ("0011", []),
        ("01111110", []),
        ("010110", [(1, 2), (3, 5)]),
        ("", []),
        ("1", []),
    ],
)
def test_short_closures_are_open_before_and_after(closed, runs):
    found = short_closures(np.array([c == "1" for c in closed], bool), 5)
    assert [(run.start, run.stop) for run in found] == runs


@pytest.mark.parametrize(
    ("closed", "reference", "shared"),
    [
        ("0110", "0110", (1, 1)),
        ("0100000", "0010000", (1, 1)),  # a frame later
        ("0100000", "0001000", (0, 1)),
        ("0101010", "1000000", (1, 3)),
        ("0000", "0110", (0, 0)),
    ],
)
def test_closures_are_shared_within_a_frame(closed, reference, shared):
    first, second = (np.array([c == "1" for c in text], bool) for text in (closed, reference))
    assert shared_closures(first, second, 5) == shared
