"""Measures what a frame costs here: dubs a clip at two sizes, which tell the part that grows with the frame; compares codecs."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle
from pathlib import Path

from lipsync_ray.errors import SettingsError
from lipsync_ray.io import storage
from lipsync_ray.io.console import console_for
from lipsync_ray.io.manifest import one_dub
from lipsync_ray.jobs.dub import job
from lipsync_ray.jobs.quote.clips import pictures_of, write_clip
from lipsync_ray.jobs.quote.codecs import with_codecs
from lipsync_ray.jobs.quote.rates import Rates, rates_of
from lipsync_ray.models import weights
from lipsync_ray.settings import DubSettings, Workers

SIZES = ((512, 512), (1080, 1920))


def calibrate(
    clips: Sequence[Path],
    voices: Sequence[Path],
    settings: DubSettings,
    workers: Workers,
    progress: bool = True,
    scratch: str | None = None,
    fetching: weights.Progress | None = None,
) -> Rates:
    """Dub a clip at two sizes, and compare decoders and encoders.

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
                    write_clip(target, pictures_of(clip, width, height), "libx264")
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
        return with_codecs(rates, clips[0], Path(here), SIZES)


def _placed(files: Sequence[Path], place: str) -> list[str]:
    """URLs of files that were put into a folder."""
    urls = [storage.join(place, file.name) for file in files]
    for file, url in zip(files, urls, strict=True):
        storage.commit_file(file, url)
    return urls
