"""Cuts: how many real ones are found, and how many are seen where there is none, on films made of a folder of videos.

    uv run python benchmarks/cuts.py CORPUS [--seed 1] [--share 1] [--pictures FOLDER]

CORPUS holds videos/, train/ (news clips) and grid/. By kind of film: real cuts, found, found a frame away, frames without a cut,
false ones, in ten minutes; CPU milliseconds a frame of the decision itself. `--pictures` keeps the frames around each fault.
"""

from __future__ import annotations

import argparse


def parsed() -> argparse.Namespace:
    """The command's arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--share", type=float, default=1.0, help="of the films of each kind")
    parser.add_argument("--pictures", help="folder for the frames around each fault")
    return parser.parse_args()


if __name__ == "__main__":
    ARGUMENTS = parsed()  # before imports that take seconds

import time
from collections import defaultdict
from fractions import Fraction
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from reels import RATE, Reel, reels
from rich.console import Console
from rich.table import Table

from lipsync_ray.faces.cuts import CutFinder, faces_alike
from lipsync_ray.faces.detect import Detector, mtcnn_detector

AROUND = 4  # frames shown on either side of a fault


def main(asked: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    detect = mtcnn_detector("cpu")
    counts: dict[str, list[float]] = defaultdict(lambda: [0.0] * 5)
    for place, reel in enumerate(reels(asked.corpus, asked.seed, asked.share)):
        count = len(reel.frames)
        found, seconds = cuts_of(reel, detect)
        row = counts[reel.kind]
        missed = [cut for cut in reel.cuts if cut not in found]
        false = [cut for cut in found if cut not in reel.cuts]
        row[0] += len(reel.cuts)
        row[1] += len(reel.cuts) - len(missed)
        row[2] += count
        row[3] += len(false)
        row[4] += seconds
        for what, cuts in (("missed", missed), ("false", false)):
            for cut in cuts:
                keep(asked.pictures, reel, f"{what} {place} {reel.kind.replace(':', '')} {cut}", cut)
    table = Table(box=None, pad_edge=False)
    for name in ("films", "cuts", "found", "frames", "false", "in 10 min", "ms a frame"):
        table.add_column(name, justify="left" if name == "films" else "right")
    for kind, (real, hits, frames, false_ones, seconds) in counts.items():
        a_frame = f"{1000 * seconds / frames:.2f}"
        ten = f"{false_ones * 600 * RATE / frames:.1f}"
        table.add_row(kind, f"{real:.0f}", f"{hits:.0f}", f"{frames:.0f}", f"{false_ones:.0f}", ten, a_frame)
    for name, chosen in (("real cuts", "cut:"), ("jumps", "jump:"), ("no cuts", "")):
        rows = np.array(
            [row for kind, row in counts.items() if kind.startswith(chosen) and bool(chosen) == (":" in kind)]
        )
        real, hits, frames, false_ones, _ = rows.sum(axis=0)
        share = f"{hits / real:.1%}" if real else "–"
        ten = f"{false_ones * 600 * RATE / frames:.1f}"
        table.add_row(f"[bold]{name}", f"{real:.0f}", share, f"{frames:.0f}", f"{false_ones:.0f}", ten, "")
    Console(width=120).print(table)


def cuts_of(reel: Reel, detect: Detector) -> tuple[list[int], float]:
    """The cuts found, and CPU seconds of looking for them, detection aside."""
    finder = CutFinder(Fraction(RATE), len(reel.frames))
    detecting = 0.0

    def alike(number: int) -> float | None:
        nonlocal detecting
        began = time.process_time()
        pair = reel.frames[number - 1], reel.frames[number]
        answer = faces_alike(*pair, *map(detect, pair))
        detecting += time.process_time() - began
        return answer

    began = time.process_time()
    for number, frame in enumerate(reel.frames):
        finder.add(number, frame)
    found = [n for n in range(1, len(reel.frames)) if finder.is_cut(n, partial(alike, n))]
    return found, time.process_time() - began - detecting


def keep(folder: str | None, reel: Reel, name: str, cut: int) -> None:
    """A strip of the frames around a fault."""
    if folder is None:
        return
    Path(folder).mkdir(parents=True, exist_ok=True)
    strip = [cv2.resize(frame, (160, 120)) for frame in reel.frames[max(0, cut - AROUND) : cut + AROUND]]
    cv2.imwrite(str(Path(folder) / f"{name}.jpg"), cv2.cvtColor(np.concatenate(strip, axis=1), cv2.COLOR_RGB2BGR))


if __name__ == "__main__":
    main(ARGUMENTS)
