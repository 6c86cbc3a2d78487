"""What each further language of a video costs, in one run on one machine.

    uv run python benchmarks/languages.py [--video FILE …] [--languages 1 2 4 8] [--model mini]

One video, dubbed with so many sounds of the same length in one job; CPU milliseconds a frame of all stages together, which
share their processes on a CPU. What a further language costs is the difference to one language, and is to be compared
with what nobody can save: its generator and one encode of it (`floor.py`). Faces and landmarks are found once a video
and are not counted.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any


def parsed() -> argparse.Namespace:
    """The command's arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--video", nargs="+", help="default: the demo's moving portrait")
    parser.add_argument("--audio", help="default: the demo's English")
    parser.add_argument("--languages", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--model", default="mini")
    parser.add_argument("--reference", choices=("current", "closed"), help="default: the model's own")
    return parser.parse_args()


if __name__ == "__main__":
    ARGUMENTS = parsed()  # before imports that take seconds

from floor import MEASURE_S, floor, together
from rich.console import Console
from rich.table import Table

BATCH = 16


class Meter:
    """Adds up what the rows of the lips pass cost."""

    def __init__(self) -> None:
        self.cpu: dict[str, float] = {}
        self.frames = 0

    def wrap(self, run: Callable[..., Any]) -> Callable[..., Any]:
        def metered(*arguments: Any) -> Any:
            stages = [stage.name for stage in arguments[-2]]
            for outcome in run(*arguments):
                if "compose" in stages and outcome.value is not None:
                    self.frames += outcome.value.frames
                    for name, seconds in outcome.cpu.items():
                        self.cpu[name] = self.cpu.get(name, 0.0) + seconds
                yield outcome

        return metered


def main(arguments: argparse.Namespace) -> None:

    from lipsync_ray.demo.corpus import make_corpus
    from lipsync_ray.engine import ray_data
    from lipsync_ray.io.manifest import Dub
    from lipsync_ray.jobs.dub import job
    from lipsync_ray.media.probe import probe_video
    from lipsync_ray.models import generators
    from lipsync_ray.settings import DubSettings, Workers

    console = Console(width=110)
    run_fed = ray_data.run_fed
    with tempfile.TemporaryDirectory() as scratch:
        make_corpus(Path(scratch) / "in")
        voice = arguments.audio or f"{scratch}/in/en.ogg"
        path = generators.resolve(arguments.model).here()
        settings = DubSettings(model=arguments.model, reference=arguments.reference)
        for number, video in enumerate(arguments.video or [f"{scratch}/in/pan.mp4"]):
            info = probe_video(video)
            floors = together(floor, 2, str(path), BATCH, video, MEASURE_S)
            cpu = {name: sum(each[name] for _, each in floors) / len(floors) for name in floors[0][1]}
            least = cpu["generator"] + cpu["encode"]
            table = Table(title=f"{info.width}×{info.height}, {info.codec}; generator + encode {least:.1f} ms a frame")
            for name in ("languages", "crop", "sync", "compose", "a frame, ms", "a further language's", "of the least"):
                table.add_column(name, justify="right")
            one: float | None = None
            for languages in sorted({1, *arguments.languages}):
                meter = Meter()
                ray_data.run_fed = meter.wrap(run_fed)
                dubs = [Dub(f"d{language}", video, voice) for language in range(languages)]
                job.run(dubs, settings, Workers(), f"{scratch}/{number}-{languages}", console)
                each = {name: 1000 * seconds / meter.frames for name, seconds in meter.cpu.items()}
                whole = sum(each.values())
                one = whole if one is None else one
                further = (languages * whole - one) / (languages - 1) if languages > 1 else whole
                table.add_row(
                    str(languages), *(f"{each[name]:.1f}" for name in ("crop", "sync", "compose")), f"{whole:.1f}",
                    f"{further:.1f}" if languages > 1 else "", f"{further / least:.2f}",
                )  # fmt: skip
            console.print(table)


if __name__ == "__main__":
    main(ARGUMENTS)
