"""How many rows travel in one block of Ray Data.

A block costs the driver some 25 ms, whatever is in it: with one row of four seconds in each, the driver hands out 40 rows
a second, which four fast GPUs use up. Rows are still committed, resumed, retried and counted one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lipsync_ray.engine.stages import StageSpec

if TYPE_CHECKING:
    from lipsync_ray.engine.video_pass import RangeRow

LEAST_BLOCKS = 512  # some ten seconds of the driver's time; a pass of fewer rows sends each on its own
BLOCKS_PER_WORKER = 16  # so that all processes end at about the same time
MOST_ROWS = 64
MOST_BYTES = 64 << 20  # of a block between two stages: crops, restored faces


def rows_per_block(rows: Sequence[RangeRow], stages: Sequence[StageSpec]) -> int:
    """Usual number of rows in a block.

    Parameters
    ----------
    rows : of the whole pass
    stages : their `frame_bytes` and numbers of processes limit it
    """
    workers = max((stage.workers for stage in stages), default=1)
    count = len(rows) // max(LEAST_BLOCKS, BLOCKS_PER_WORKER * workers)
    if count <= 1:
        return 1
    row_bytes = max(row.stop - row.start for row in rows) * max(stage.frame_bytes for stage in stages)
    return max(1, min(count, MOST_ROWS, MOST_BYTES // row_bytes if row_bytes else MOST_ROWS))
