"""Measures what a frame costs here: dubs a clip at two sizes, which tell the part that grows with the frame."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import cycle
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.errors import SettingsError
from lipsync_ray.io import storage
from lipsync_ray.io.console import console_for
from lipsync_ray.io.manifest import one_dub
from lipsync_ray.jobs.dub import job
from lipsync_ray.jobs.quote.rates import Rates, rates_of
from lipsync_ray.media import decode
from lipsync_ray.media.probe import probe_video
from lipsync_ray.models import weights
from lipsync_ray.settings import DubSettings, Workers

SIZES = ((512, 512), (1080, 1920))
RATE = Fraction(25)
# Encoders by which codecs' decoders are compared; one that FFmpeg was built without is left out.
ENCODERS = {"hevc": "libx265", "vp9": "libvpx-vp9", "mpeg4": "mpeg4"}
_COMPARED = 25  # frames of each
_MOVING = 0.7  # of the frame's shorter side: the person
_GRAIN = 1.5  # levels, standard deviation: with it, encoding costs what it does of real talking heads of 512² and 1080p


def calibrate(
    clips: Sequence[Path],
    voices: Sequence[Path],
    settings: DubSettings,
    workers: Workers,
    progress: bool = True,
    scratch: str | None = None,
    fetching: weights.Progress | None = None,
) -> Rates:
    """Dub a clip at two sizes, and compare decoders.

    Parameters
    ----------
    clips, voices : square videos of somebody's face, several so that every process is started; what each is to say in turn
    workers : how; by Ray, whose processes have one thing to do at a time
    progress : print how the dubs go
    scratch : folder that all nodes share, for inputs and results; None for one of this machine's. It is removed

    Raises
    ------
    SettingsError : not by Ray; a dub of the clip failed
    WeightsError, CheckpointError, ClusterError
    """
    if workers.engine != "ray":
        raise SettingsError("--engine inline: threads share their process' CPU seconds; rates are measured by Ray")
    with tempfile.TemporaryDirectory() as here:
        place = storage.join(scratch or here, f"calibrate-{int(time.time())}")
        try:
            runs = []
            for width, height in SIZES:
                scaled = [Path(here) / f"{width}-{clip.name}" for clip in clips]
                for clip, target in zip(clips, scaled, strict=True):
                    _write(target, _pictures(clip, width, height), "libx264")
                urls = _placed([*scaled, *voices], storage.join(place, "in"))
                pairs = zip(cycle(urls[: len(clips)]), urls[len(clips) :], strict=False)
                dubs = [replace(one_dub(*pair), id=f"{width}-{n}") for n, pair in enumerate(pairs)]
                runs.append(storage.join(place, str(width)))
                summary = job.run(dubs, settings, workers, runs[-1], console_for(progress), fetching)
                if not summary.complete:
                    raise SettingsError(f"the clip could not be dubbed: {summary.results[0].error}")
            rates = rates_of(runs)
        finally:
            storage.remove(place)
        return replace(rates, decode=compared(clips[0], Path(here)))


def compared(source: Path, folder: Path) -> dict[str, float]:
    """Codec → CPU seconds a frame and megapixel that its decoder takes more than that of H.264 (less: negative)."""
    pictures = _pictures(source, *SIZES[1])[:_COMPARED]
    spent = {}
    for codec, encoder in {"h264": "libx264", **ENCODERS}.items():
        if encoder not in av.codecs_available:
            continue
        clip = folder / f"{codec}.mkv"
        _write(clip, pictures, encoder)
        info = probe_video(str(clip))
        began = time.process_time()
        for _ in decode.pictures(info, 0, info.frames):
            pass
        spent[codec] = (time.process_time() - began) / len(pictures) / (info.width * info.height / 1e6)
    return {codec: seconds - spent["h264"] for codec, seconds in spent.items() if codec != "h264"}


def _placed(files: Sequence[Path], place: str) -> list[str]:
    """URLs of files that were put into a folder."""
    urls = [storage.join(place, file.name) for file in files]
    for file, url in zip(files, urls, strict=True):
        storage.commit_file(file, url)
    return urls


def _pictures(source: Path, width: int, height: int) -> list[NDArray[np.uint8]]:
    """(height, width, 3) uint8 RGB: a video in the middle of a wall that stands still, with a camera's grain over all of it:
    what moves is what an encoder works on."""
    chance = np.random.default_rng(0)
    side = round(min(width, height) * _MOVING / 2) * 2
    left, top = (width - side) // 2, (height - side) // 2
    around = ((top, height - side - top), (left, width - side - left), (0, 0))
    out: list[NDArray[np.uint8]] = []
    with av.open(str(source)) as container:
        for frame in container.decode(video=0):
            moving = frame.reformat(side, side, "rgb24").to_ndarray()
            picture = out[0].copy() if out else np.pad(moving, around, mode="edge")
            picture[top : top + side, left : left + side] = moving
            out.append(picture)
    for picture in out:
        grain = chance.normal(0, _GRAIN, (height, width, 1)).astype(np.float32)
        picture[:] = np.clip(picture + grain, 0, 255).astype(np.uint8)
    return out


def _write(target: Path, pictures: Sequence[NDArray[np.uint8]], encoder: str) -> None:
    with av.open(str(target), "w") as container:
        quiet = {"x265-params": "log-level=none"} if encoder == "libx265" else {}  # it writes to the terminal by itself
        stream: Any = container.add_stream(encoder, rate=RATE, options=quiet)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt, stream.bit_rate = "yuv420p", 4_000_000
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
