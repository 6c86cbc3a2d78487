"""How near the whole job comes to its networks alone, in one run on one machine.

    uv run python benchmarks/speed.py [--video FILE] [--audio FILE] [--model mini|PATH|random] [--seconds 60]

For the generator: frames/s of the bare network at its best batch (crops and mel windows ready in memory), in as many
processes as the job has actors, against frames/s of the job's second pass over the same number of frames, decoding,
compositing and encoding included. The same for detection: the bare cascade's frames/s times the frames between two
looks, against the first pass. Start-up of processes is left out on both sides: it is paid once a run.

`random` is a full-width Wav2Lip with random weights, which takes the time of the published ones.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from material import repeated_video
from rich.console import Console
from rich.table import Table

BATCHES = {"cpu": (8, 16, 32, 64), "cuda": (32, 64, 128, 256)}
MEASURE_S = 6.0


def generator_alone(path: str, batch: int, seconds: float) -> float:
    """Frames/s of the network in this process, on one thread."""
    import torch

    from lipsync_ray.models.generators import LipModel

    torch.set_num_threads(1)
    model = LipModel(Path(path), "cuda" if torch.cuda.is_available() else "cpu", "auto", batch)
    rng = np.random.default_rng(0)
    crops = rng.integers(0, 255, (batch, 96, 96, 3), np.uint8)
    mels = rng.uniform(-4, 4, (batch, 80, 16)).astype(np.float32)
    return repeated(lambda: model(crops, mels), seconds) * batch


def detector_alone(video: str, _: int, seconds: float) -> float:
    """Frames/s of MTCNN in this process, on frames of the video, on one thread."""
    import torch

    from lipsync_ray.faces.detect import detection_size, mtcnn_detector
    from lipsync_ray.media import decode
    from lipsync_ray.media.probe import probe_video

    torch.set_num_threads(1)
    info = probe_video(video)
    frames = list(decode.small_rgb(info, 0, min(50, info.frames), *detection_size(info.width, info.height)))[::5]
    detect = mtcnn_detector("cuda" if torch.cuda.is_available() else "cpu")
    return repeated(lambda: [detect(frame) for frame in frames], seconds) * len(frames)


def repeated(call: Callable[[], Any], seconds: float) -> float:
    """Calls/s."""
    call()
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        call()
        count += 1
    return count / (time.perf_counter() - began)


def together(function: Callable[[str, int, float], float], argument: str, batch: int, processes: int) -> float:
    """The sum of what so many processes do at the same time."""
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        return sum(pool.starmap(function, [(argument, batch, MEASURE_S)] * processes))


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--video", help="default: the demo's moving portrait")
    parser.add_argument("--audio", help="default: the demo's English")
    parser.add_argument("--model", default="mini")
    parser.add_argument("--seconds", type=float, default=60, help="of output")
    arguments = parser.parse_args()

    import torch

    from lipsync_ray.demo.corpus import make_corpus
    from lipsync_ray.engine import ray_data
    from lipsync_ray.engine.resources import allocate
    from lipsync_ray.engine.session import session
    from lipsync_ray.faces.scan import step_of
    from lipsync_ray.io.manifest import Dub
    from lipsync_ray.jobs.dub import job
    from lipsync_ray.media import audio as sound
    from lipsync_ray.media.audio import SoundTrack
    from lipsync_ray.media.probe import probe_video
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
        spoken = float(sound.probe_audio(SoundTrack(voice)).duration_s)
        dubs = [Dub(f"d{i}", video, voice) for i in range(max(2, round(arguments.seconds / spoken)))]
        with session("local") as cluster:
            layout = allocate(cluster, Workers(), alone=False)
        bare = {
            batch: together(generator_alone, str(path), batch, layout.model.workers) for batch in BATCHES[layout.device]
        }
        best = max(bare, key=lambda batch: bare[batch])
        looks = together(detector_alone, video, 1, layout.model.workers)
        watch = CropAndCompare()
        ray_data.run, ray_data.run_fed = watch.wrap(ray_data.run), watch.wrap(ray_data.run_fed)
        # Pass 1 has one row for half a minute of video: a long one is made of the given one, for a rate to be measured.
        long_video = f"{scratch}/long.mp4"
        repeated_video(video, long_video, 160)
        job.run(
            [Dub("long", long_video, voice)],
            DubSettings(model=model, length="shortest"),
            Workers(),
            f"{scratch}/a",
            console,
        )
        job.run(dubs, DubSettings(model=model), Workers(), f"{scratch}/b", console)
    lips_rate, lips_work = watch.rates["crop"]
    faces_rate, _ = watch.rates["detect"]
    step = step_of(Fraction(info.rate))
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
        f"detection, frames/s (a look every {step})",
        f"{looks * step:.1f}",
        f"{faces_rate:.1f}",
        f"{faces_rate / looks / step:.2f}",
    )
    table.add_row("detection, ms a looked-at frame", f"{1000 / looks * layout.model.workers:.1f}", "", "")
    for name, milliseconds in lips_work.items():
        table.add_row(f"work of {name}, ms a frame", "", f"{milliseconds:.2f}", "")
    console.print(table)


if __name__ == "__main__":
    main()
