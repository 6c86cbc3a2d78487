"""What a dub cannot cost less than: its generator, one decode and one encode of every frame, with nothing between them.

Used by `speed.py`, `languages.py` and `gpu.py`. Every function here is one process on one thread of torch; `together` runs so many
of them at the same time, as a job has actors, so that cores, caches and memory are shared as in the job.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # a part of the others; it measures nothing alone
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()

import numpy as np

MEASURE_S = 6.0
RUN = 100  # frames that are decoded, drawn and encoded at a time: a segment of four seconds


def repeated(call: Callable[[], Any], seconds: float) -> float:
    """Calls/s."""
    call()
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        call()
        count += 1
    return count / (time.perf_counter() - began)


def together(function: Callable[..., Any], processes: int, *arguments: Any) -> list[Any]:
    """What so many processes return that do the same at the same time."""
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        return pool.starmap(function, [arguments] * processes)


def generator_alone(path: str, batch: int, seconds: float) -> float:
    """Frames/s of the network alone."""
    return repeated(_generator(path, batch), seconds) * batch


def floor(path: str, batch: int, video: str, seconds: float) -> tuple[float, dict[str, float]]:
    """Frames/s of decoding, drawing crops and encoding by turns; and CPU milliseconds a frame of each.

    Crops and sound are numbers made beforehand. What is encoded is what was decoded.
    """
    from lipsync_ray.media import decode
    from lipsync_ray.media.choices import VideoCoding
    from lipsync_ray.media.encode import encode
    from lipsync_ray.media.probe import probe_video

    info = probe_video(video)
    draw = _generator(path, batch)
    frames = min(RUN, info.frames)
    spent = dict.fromkeys(("decode", "generator", "encode"), 0.0)

    def timed(name: str, call: Callable[[], Any]) -> Any:
        began = time.process_time()
        result = call()
        spent[name] += time.process_time() - began
        return result

    def once() -> None:
        pictures = timed("decode", lambda: list(decode.pictures(info, 0, frames)))
        timed("generator", lambda: [draw() for _ in range(-(-frames // batch))])
        timed("encode", lambda: encode(pictures, info.rate, info.pixel_aspect, VideoCoding()))

    once()
    spent.update(dict.fromkeys(spent, 0.0))
    began, runs = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        once()
        runs += 1
    took = time.perf_counter() - began
    drawn = runs * -(-frames // batch) * batch
    of = {"decode": runs * frames, "generator": drawn, "encode": runs * frames}
    return runs * frames / took, {name: 1000 * value / of[name] for name, value in spent.items()}


def _generator(path: str, batch: int) -> Callable[[], Any]:
    import torch

    from lipsync_ray.models.generators import LipModel

    torch.set_num_threads(1)
    model = LipModel(Path(path), "cuda" if torch.cuda.is_available() else "cpu", "auto", batch)
    rng = np.random.default_rng(0)
    crops = rng.integers(0, 255, (batch, 96, 96, 3), np.uint8)
    mels = rng.uniform(-4, 4, (batch, 80, 16)).astype(np.float32)
    return lambda: model(crops, mels)


def decoding(video: str, decoder: str, seconds: float) -> float:
    """Frames/s of decoding alone."""
    from lipsync_ray.media import decode
    from lipsync_ray.media.probe import probe_video

    info = replace(probe_video(video), decoder=decoder)  # type: ignore[arg-type]
    frames = min(RUN, info.frames)
    return repeated(lambda: sum(1 for _ in decode.pictures(info, 0, frames)), seconds) * frames


def composing(video: str, codec: str, restored: bool, seconds: float) -> float:
    """Frames/s of pasting a face of two fifths of the height and encoding, the frames decoded beforehand.

    Parameters
    ----------
    restored : paste a restored face of 512² into the same place, too
    """
    from lipsync_ray.faces.align import SIDE
    from lipsync_ray.faces.blend import paste
    from lipsync_ray.media import decode
    from lipsync_ray.media.choices import VideoCoding
    from lipsync_ray.media.encode import encode
    from lipsync_ray.media.picture import Box
    from lipsync_ray.media.probe import probe_video
    from lipsync_ray.restoration.faces import Restored
    from lipsync_ray.settings import RestoreSettings

    info = probe_video(video)
    sources = list(decode.pictures(info, 0, min(RUN, info.frames)))
    side = int(0.4 * info.height)
    x, y = (info.width - side) // 2, (info.height - side) // 2
    rng, nothing = np.random.default_rng(0), np.zeros(1, np.int64)
    small, large = (rng.integers(0, 255, (width, width, 3), np.uint8) for width in (96, SIDE))
    matrix = np.array([[1.0, 0.0, -x], [0.0, 1.0, -y]]) * (SIDE / side)
    face = Restored(nothing, nothing, matrix[None], large[None], np.zeros((0, SIDE, SIDE), np.uint8), nothing)

    def drawn() -> Iterator[Any]:
        for source in sources:
            picture = source.copy()
            paste(picture, Box(x, y, x + side, y + side), small, "feather")
            if restored:
                face.put(picture, 0, RestoreSettings())
            yield picture

    coding = VideoCoding(codec=codec)  # type: ignore[arg-type]
    return repeated(lambda: encode(drawn(), info.rate, info.pixel_aspect, coding), seconds) * len(sources)
