"""How many rows travel in a block."""

from dataclasses import dataclass

import pytest

from lipsync_ray.engine.bundles import LEAST_BLOCKS, MOST_BYTES, MOST_ROWS, rows_per_block
from lipsync_ray.engine.stages import StageSpec


@dataclass(frozen=True)
class Range:
    start: int = 0
    stop: int = 100
    key: str = ""
    url: str = ""


def count(rows, workers=1, frame_bytes=0):
    return rows_per_block([Range()] * rows, [StageSpec("draw", str, workers, frame_bytes=frame_bytes)])


@pytest.mark.parametrize(
    ("rows", "workers", "together"),
    [
        (0, 1, 1),
        (2 * LEAST_BLOCKS - 1, 1, 1),
        (LEAST_BLOCKS * 5, 1, 5),
        (LEAST_BLOCKS * 5, 2000, 1),  # each process has several blocks
        (10**6, 1, MOST_ROWS),
    ],
)
def test_few_rows_travel_alone(rows, workers, together):
    assert count(rows, workers) == together


def test_large_crops_make_small_blocks():
    face = 512 * 512 * 3
    together = count(10**6, 1, face)
    assert together == max(1, MOST_BYTES // (100 * face))
    assert count(10**6, 1, 96 * 96 * 3) > together
    assert count(10**6, 1, MOST_BYTES) == 1
