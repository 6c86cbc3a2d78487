"""Whole dubs on a GPU machine, by model, decoder, encoder and restoration: frames/s, what limits them, how busy cards and cores were.

A part of `gpu.py`. The floor of a dub is the least of three rates, each measured with nothing beside it: its networks on all cards,
decoding on all cores, and pasting a face and encoding on all cores. Cores decode and encode at the same time, and a frame is decoded
up to twice, so that a job on cores cannot reach it. What `warp` moves in a frame is not in it: a square is pasted in its place.
"""

from __future__ import annotations

import argparse
import gc
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

if __name__ == "__main__":  # a part of the other; it measures nothing alone
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()

import torch
from cards import watched
from floor import composing, decoding, together
from gpu_called import Inputs, Rate

from lipsync_ray.compute import whole_cpus


@dataclass(frozen=True)
class Variant:
    """A dub to measure."""

    model: str
    decoder: str = "cpu"
    encoder: str = "h264"
    restore: bool = False

    def __str__(self) -> str:
        more = ", restored" if self.restore else ""
        return f"{self.model}, {self.decoder} decoder, {self.encoder}{more}"

    @property
    def brief(self) -> bool:
        """Whether the short video is enough, because its network is slow."""
        return self.restore or self.model == "musetalk"


def variants(cards: bool) -> list[Variant]:
    """Those to measure, what tells most first; without cards, those that need none."""
    found = [
        Variant("wav2lip"),
        Variant("wav2lip", decoder="cuda"),
        Variant("wav2lip", restore=True),
        Variant("warp"),
        Variant("mini"),
        Variant("musetalk"),
        Variant("wav2lip", encoder="hevc"),
        Variant("wav2lip", encoder="h264_nvenc"),
        Variant("wav2lip", decoder="cuda", encoder="h264_nvenc"),
    ]
    return [one for one in found if cards or (one.decoder, "nvenc" in one.encoder) == ("cpu", False)]


class Floors:
    """Rates of the parts of a dub alone; each is measured once.

    Parameters
    ----------
    rates : of networks as they are called
    seconds : of each measurement
    """

    def __init__(self, inputs: Inputs, rates: Sequence[Rate], device: str, seconds: float) -> None:
        self._inputs, self._seconds = inputs, seconds
        self._processes = whole_cpus()
        # Actors on CPUs have one core each, a card is one actor's.
        self._networks = torch.cuda.device_count() if device == "cuda" else self._processes
        self._own: dict[str, float] = {}
        for rate in rates:
            self._own.setdefault(rate.network, rate.per_s)  # the first is the job's own batch
        self._known: dict[tuple[Any, ...], float] = {}

    def of(self, variant: Variant) -> dict[str, float]:
        """Frames/s of "network", where it was measured, "decode" and "compose + encode"."""
        names = [variant.model, *(["musetalk encoder"] if variant.model == "musetalk" else [])]
        names += ["gfpgan"] if variant.restore else []
        found = {}
        if all(name in self._own for name in names):
            found["network"] = self._networks / sum(1 / self._own[name] for name in names)
        video = str(self._inputs.video)
        key: tuple[Any, ...] = ("decode", variant.decoder)
        if key not in self._known:
            each = together(decoding, self._processes, video, variant.decoder, self._seconds)
            self._known[key] = sum(each)
        found["decode"] = self._known[key]
        key = ("compose", variant.encoder, variant.restore)
        if key not in self._known:
            each = together(composing, self._processes, video, variant.encoder, variant.restore, self._seconds)
            self._known[key] = sum(each)
        return found | {"compose + encode": self._known[key]}


def limiting(floors: Mapping[str, float]) -> tuple[str, float]:
    """The part that allows least, and its frames/s."""
    name = min(floors, key=lambda part: floors[part])
    return name, floors[name]


def steady(ends: Sequence[tuple[float, int]]) -> float | None:
    """Frames/s of the second half of the rows that ended, so that processes are up; None of fewer than four.

    Parameters
    ----------
    ends : (when, frames) of each row, in order
    """
    if len(ends) < 4:
        return None
    middle = len(ends) // 2
    took = ends[-1][0] - ends[middle - 1][0]
    return sum(frames for _, frames in ends[middle:]) / took if took > 0 else None


@contextmanager
def row_ends() -> Iterator[dict[str, list[tuple[float, int]]]]:
    """(when, frames) of each row that ends meanwhile, by its pass; on Ray and inline."""
    from lipsync_ray.engine.progress import ProgressReporter

    found: dict[str, list[tuple[float, int]]] = {}
    original = ProgressReporter.advance

    def advance(reporter: Any, frames: int, *arguments: Any, **named: Any) -> None:
        found.setdefault(reporter.state()["name"], []).append((time.perf_counter(), frames))
        original(reporter, frames, *arguments, **named)

    ProgressReporter.advance = advance  # type: ignore[method-assign, assignment]
    try:
        yield found
    finally:
        ProgressReporter.advance = original  # type: ignore[method-assign]


def measured(variant: Variant, inputs: Inputs, floors: Floors, device: str, engine: str) -> dict[str, Any]:
    """A dub and its floors. Faces and meshes that an earlier one found in the same video are there already.

    Raises
    ------
    RuntimeError : the dub failed
    """
    import lipsync_ray
    from lipsync_ray.media.choices import VideoCoding
    from lipsync_ray.settings import RestoreSettings, Workers

    model = {"wav2lip": lambda: inputs.wav2lip, "musetalk": lambda: inputs.musetalk}.get(variant.model)
    settings = lipsync_ray.DubSettings(
        model=str(model()) if model else variant.model,
        length="video",
        decoder=variant.decoder,  # type: ignore[arg-type]
        coding=VideoCoding(codec=variant.encoder),  # type: ignore[arg-type]
        restore=RestoreSettings(model=str(inputs.gfpgan)) if variant.restore else None,
    )
    workers = Workers(engine=engine, gpus_per_actor=0 if device == "cpu" else None)  # type: ignore[arg-type]
    table, out = inputs.table(variant.brief), inputs.folder / "out"
    parts = floors.of(variant)  # also finds a decoder or an encoder that is not there, before anything starts
    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()
    with row_ends() as ends, watched() as seen:
        began = time.perf_counter()
        summary = lipsync_ray.dub_table(table, out, settings=settings, workers=workers, progress=False)
        took = time.perf_counter() - began
    done = summary.results[0]
    if done.status != "done" or not done.frames:
        raise RuntimeError(f"{done.status}: {done.error}")
    passes = json.loads((out / "run.json").read_text())["passes"]
    drawing = passes[-1]
    name, least = limiting(parts)
    rows = ends.get(drawing["name"], [])
    rate, since = steady(rows), rows[len(rows) // 2 - 1][0] if len(rows) >= 2 else began
    return {
        "dub": str(variant), "frames": done.frames, "seconds": took, "per_s": done.frames / took, "steady_per_s": rate,
        "floors": parts, "limit": name, "of_limit": (rate or done.frames / took) / least,
        "passes": {one["name"]: one["frames_done"] / one["seconds"] for one in passes if one["frames_done"] and one["seconds"]},
        "stage_ms": {stage: 1000 * s / done.frames for stage, s in drawing["stages"].items()},
        "cpu_ms": {stage: 1000 * s / done.frames for stage, s in drawing["cpu"].items()},
        "source": seen.source, "busy": seen.mean(0), "busy_at_work": seen.mean(0, since), "busy_most": seen.most(0), "decoder_busy": seen.mean(2),
        "encoder_busy": seen.mean(3), "gb": seen.most(4), "cores": seen.mean_cores(), "cores_at_work": seen.mean_cores(since), "readings": [[when - began, *(None if value != value else value for value in reading)] for when, reading in seen.cards],
    }  # fmt: skip
