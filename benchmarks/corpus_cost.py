"""What a corpus costs: hours, nodes, requests and money by its size, from the figures of docs/performance.md and benchmarks/README.md.

    uv run python benchmarks/corpus_cost.py [--languages 4] [--hours 100 10000 1000000] [--days 7] [--cores 16] [--linear 0.905]
        [--price-cpu 0.04] [--price-gpu 3] [--price-put 0.005] [--price-get 0.0004]

Nothing is measured here. For a table of your own, `lipsync-ray calibrate` and `dub --dry-run` measure on your machine.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass

FRAMES = 25 * 3600  # of an hour
SEGMENTS = 3600 / 4
DRIVER = 1352 / SEGMENTS  # hours of output that one driver hands out in a second: growth.py, 100,000 rows
PUTS, GETS = 1, 2.1  # a segment: docs/operations.md, Stores


@dataclass(frozen=True)
class Work:
    """What a frame costs.

    Attributes
    ----------
    name : what is done
    source_ms : of a core, a frame of the source: faces and landmarks, once for all languages
    dub_ms : of a core, a frame of the output
    gpu_ms : of a GPU, a frame of the output
    """

    name: str
    source_ms: float
    dub_ms: float
    gpu_ms: float = 0.0

    def core_hours(self, hours: float, languages: int) -> float:
        """Of `hours` of output."""
        return hours * FRAMES * (self.source_ms / languages + self.dub_ms) / 1000 / 3600

    def gpu_hours(self, hours: float) -> float:
        """Of `hours` of output."""
        return hours * FRAMES * self.gpu_ms / 1000 / 3600


WORKS = (
    # detection and landmarks; hearing, warp and paste, decode and encode (the floor without its generator)
    Work("`warp`, 512 × 512", 5.2 + 7.5, 0.8 + 4.8 + 1.0 + 6.0),
    Work("`warp`, 1080 × 1920", 13.4 + 3.9, 0.8 + 4.0 + 0.6 + 23.0),
    # the further language of languages.py less mini's network; Wav2Lip's at batch 128, GFPGAN's at batch 32
    Work("Wav2Lip, 1080 × 1920", 13.4, 28.2 - 6.0, 1000 / 13_730),
    Work("Wav2Lip + GFPGAN, 1080 × 1920", 13.4, 28.2 - 6.0, 1000 / 13_730 + 1000 / 236),
    Work("evaluation, 512 × 512", 0.0, 17.8 + 2.0),
)


def parsed() -> argparse.Namespace:
    """The command's arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--languages", type=int, default=4, help="dubs of each source")
    parser.add_argument("--hours", type=float, nargs="+", default=[100, 10_000, 1_000_000], help="of output")
    parser.add_argument("--days", type=float, default=7, help="in which it is to be done")
    parser.add_argument("--cores", type=int, default=16, help="of a node")
    parser.add_argument("--linear", type=float, default=0.905, help="what several nodes do, of as many times one")
    parser.add_argument("--price-cpu", type=float, default=0.04, help="of a core's hour")
    parser.add_argument("--price-gpu", type=float, default=3, help="of a GPU's hour")
    parser.add_argument("--price-put", type=float, default=0.005, help="of a thousand writes")
    parser.add_argument("--price-get", type=float, default=0.0004, help="of a thousand reads")
    return parser.parse_args()


def main() -> None:
    """Print the table."""
    given = parsed()
    from rich.console import Console
    from rich.table import Table

    heads = (
        "work",
        "hours of output",
        "core hours",
        "GPU hours",
        "nodes",
        "drivers",
        "requests",
        "nodes' price",
        "requests' price",
    )
    table = Table(*heads)
    for work in WORKS:
        for hours in given.hours:
            cores, gpus = work.core_hours(hours, given.languages), work.gpu_hours(hours)
            nodes = math.ceil(cores / given.cores / (24 * given.days) / given.linear)
            cards = math.ceil(gpus / (24 * given.days))
            drivers = math.ceil(hours / (DRIVER * 86_400 * given.days))
            segments = hours * SEGMENTS
            price = cores / given.linear * given.price_cpu + gpus * given.price_gpu
            asked = segments / 1000 * (PUTS * given.price_put + GETS * given.price_get)
            values = (hours, cores, gpus, nodes, cards, drivers, segments * (PUTS + GETS), price, asked)
            table.add_row(work.name, *(f"{value:,.0f}" for value in values))
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
