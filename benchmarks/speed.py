"""How near the whole job comes to its networks alone, in one run on one machine.

    uv run python benchmarks/speed.py [--video FILE] [--audio FILE] [--model mini|PATH|random] [--reference current|closed]
        [--seconds 60]

The whole job against its floor: frames/s of the second pass, against those of the generator with one decode and one encode of
every frame and nothing between them (`floor.py`), in as many processes at the same time.

For the generator alone: frames/s of the bare network at its best batch (crops and mel windows ready in memory), in as many
processes as the job has actors, against frames/s of the job's second pass over the same number of frames, decoding,
compositing and encoding included. Start-up of processes is left out on both sides: it is paid once a run. So are faces
and landmarks, which are found once a video (`detection.py`).

`random` is a full-width Wav2Lip with random weights, which takes the time of the published ones.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def parsed() -> argparse.Namespace:
    """The command's arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--video", help="default: the demo's moving portrait")
    parser.add_argument("--audio", help="default: the demo's English")
    parser.add_argument("--model", default="mini")
    parser.add_argument(
        "--reference", choices=("current", "closed"), default="current", help="what a generator is shown"
    )
    parser.add_argument("--seconds", type=float, default=60, help="of output")
    return parser.parse_args()


if __name__ == "__main__":
    ARGUMENTS = parsed()  # before imports that take seconds

from floor import MEASURE_S, floor, generator_alone, together
from rich.console import Console
from rich.table import Table

BATCHES = {"cpu": (8, 16, 32, 64), "cuda": (32, 64, 128, 256)}


class CropAndCompare:
    """Times a flow from its first outcome on, so that processes are up."""

    def __init__(self) -> None:
        self.rates: dict[str, tuple[float, dict[str, float]]] = {}

    def wrap(self, run: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any) -> Any:
            stages = arguments[-2]
            began = None
            done = total = 0
            work: dict[str, float] = {}
            for outcome in run(*arguments):
                frames = outcome.value.frames if outcome.value is not None else 0
                total += frames
                if began is None:
                    began = time.perf_counter()
                else:
                    done += frames
                    self.rates[stages[0].name] = (
                        done / (time.perf_counter() - began),
                        {name: 1000 * s / total for name, s in work.items()},
                    )
                for name, seconds in outcome.seconds.items():
                    work[name] = work.get(name, 0.0) + seconds
                yield outcome

        return timed


def main(arguments: argparse.Namespace) -> None:

    import torch

    from lipsync_ray.demo.corpus import make_corpus
    from lipsync_ray.engine import ray_data
    from lipsync_ray.engine.resources import allocate
    from lipsync_ray.engine.session import session
    from lipsync_ray.io.manifest import Dub
    from lipsync_ray.jobs.dub import job
    from lipsync_ray.media.audio import SoundTrack
    from lipsync_ray.media.probe import probe_video
    from lipsync_ray.media.sound_probe import probe_audio
    from lipsync_ray.models import generators
    from lipsync_ray.models.wav2lip import Wav2Lip
    from lipsync_ray.settings import DubSettings, Workers

    console = Console(width=110)
    with tempfile.TemporaryDirectory() as scratch:
        make_corpus(Path(scratch) / "in")
        video = arguments.video or f"{scratch}/in/pan.mp4"
        voice = arguments.audio or f"{scratch}/in/en.ogg"
        model = arguments.model
        if model == "random":
            model = f"{scratch}/random.pth"
            torch.save(Wav2Lip().state_dict(), model)
        path = generators.resolve(model).here()
        info = probe_video(video)
        spoken = float(probe_audio(SoundTrack(voice)).duration_s)
        dubs = [Dub(f"d{i}", video, voice) for i in range(max(2, round(arguments.seconds / spoken)))]
        with session("local") as cluster:
            layout = allocate(cluster, Workers(), alone=False)
        bare = {
            batch: sum(together(generator_alone, layout.model.workers, str(path), batch, MEASURE_S))
            for batch in BATCHES[layout.device]
        }
        best = max(bare, key=lambda batch: bare[batch])
        floors = together(floor, layout.model.workers, str(path), best, video, 2 * MEASURE_S)
        lowest = sum(rate for rate, _ in floors)
        watch = CropAndCompare()
        ray_data.run, ray_data.run_fed = watch.wrap(ray_data.run), watch.wrap(ray_data.run_fed)
        job.run(dubs, DubSettings(model=model, reference=arguments.reference), Workers(), f"{scratch}/b", console)
    lips_rate, lips_work = watch.rates["crop"]
    table = Table(
        title=f"{info.width}×{info.height}, {info.codec}, {info.rate} frames/s; {cluster.cpus:g} CPUs, {cluster.gpus:g} GPUs; model {arguments.model}"
    )
    for name in ("", "bare network", "whole pass", "ratio"):
        table.add_column(name, justify="left" if not name else "right")
    table.add_row(
        f"generator, frames/s (best batch {best})",
        f"{bare[best]:.1f}",
        f"{lips_rate:.1f}",
        f"{lips_rate / bare[best]:.2f}",
    )
    table.add_row(
        "floor: generator, one decode, one encode", f"{lowest:.1f}", f"{lips_rate:.1f}", f"{lips_rate / lowest:.2f}"
    )
    for name in floors[0][1]:
        table.add_row(f"CPU of {name}, ms a frame", f"{sum(cpu[name] for _, cpu in floors) / len(floors):.2f}", "", "")
    for name, milliseconds in lips_work.items():
        table.add_row(f"work of {name}, ms a frame", "", f"{milliseconds:.2f}", "")
    console.print(table)


if __name__ == "__main__":
    main(ARGUMENTS)
