"""How fast each kind of training goes: clips a second of one process with one thread, in fp32 and in bf16.

    uv run python benchmarks/training.py CLIPS OUT [STEPS]

CLIPS as of ``lipsync-ray train``; OUT keeps what was seen of them.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any


def parsed() -> argparse.Namespace:
    """The command's arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", help="as of lipsync-ray train: a folder, or a table")
    parser.add_argument("out", type=Path, help="keeps what was seen of the clips")
    parser.add_argument("steps", type=int, nargs="?", default=8, help="of each kind and precision")
    return parser.parse_args()


if __name__ == "__main__":
    ARGUMENTS = parsed()  # before imports that take seconds

import torch
from rich.console import Console
from safetensors.torch import save_file

import lipsync_ray
from lipsync_ray.engine.team import ALONE
from lipsync_ray.jobs.train.clips import CLIPS
from lipsync_ray.jobs.train.settings import TrainSettings
from lipsync_ray.jobs.train.train_worker import Sources, TrainWorker, task_of
from lipsync_ray.models.wav2lip import Wav2Lip


def worker(settings: TrainSettings, out: Path, name: str) -> TrainWorker:
    """A trainer on what was seen of the clips."""
    rows = [row for row in CLIPS.read_table(str(out)) if row.status == "used"]
    return TrainWorker(
        settings,
        Sources.of(settings),
        str(out / "corpora" / settings.kind),
        tuple(str(out / "clips" / f"{row.fingerprint}.npz") for row in rows),
        tuple(row.person for row in rows),
        0,
        str(out / "trainers" / f"{name}-{time.time_ns()}.pt"),
        "cpu",
    )


def clips_per_s(settings: TrainSettings, out: Path, name: str) -> float:
    """Of a trainer here, without its first step and without its tests."""
    one = worker(settings, out, name)
    task = task_of(settings, one.corpus(Path(one.folder)), one.sources)
    trainer = one.trainer(task, ALONE, "cpu")
    trainer.train_step()
    began = time.perf_counter()
    for trainer.step in range(1, settings.most_steps + 1):
        trainer.train_step()
    return trainer.clips_a_step * settings.most_steps / (time.perf_counter() - began)


def main(arguments: argparse.Namespace) -> None:
    clips, out, steps = arguments.clips, arguments.out, arguments.steps
    torch.set_num_threads(1)
    workers = lipsync_ray.Workers(engine="inline")
    lipsync_ray.train(clips, out, settings=TrainSettings("judge", steps=1), workers=workers)
    full = out / "wav2lip.safetensors"
    torch.manual_seed(0)
    save_file(Wav2Lip().state_dict(), full)
    kinds: dict[str, dict[str, Any]] = {
        "pose": {"kind": "pose"},
        "judge": {"kind": "judge"},
        "expert": {"kind": "expert"},
        "sync-judge": {"kind": "sync-judge"},
        "generator, `mini`": {"kind": "generator", "init": "mini"},
        "generator, `wav2lip`": {"kind": "generator", "init": str(full)},
    }
    lines = ["| kind | frames of a clip in a step | clips/s, fp32 | clips/s, bf16 |", "|---|---|---|---|"]
    frames = {"pose": 30, "judge": 30, "expert": 40, "sync-judge": 30, "generator": 5}
    for name, values in kinds.items():
        found = [
            clips_per_s(TrainSettings(steps=steps, precision=precision, **values), out, name.split(",")[0])
            for precision in ("fp32", "bf16")
        ]
        lines.append(f"| {name} | {frames[values['kind']]} | {found[0]:.1f} | {found[1]:.1f} |")
    Console().print("\n".join(lines), markup=False, highlight=False)


if __name__ == "__main__":
    main(ARGUMENTS)
