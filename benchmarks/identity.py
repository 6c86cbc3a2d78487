"""Telling people apart: distances of face descriptions of one person and of two, and how much living faces and still ones change.

    uv run python benchmarks/identity.py CORPUS [--news 60] [--grid 20]

CORPUS holds videos/, train/ (news clips of a second) and grid/ (clips of one speaker). Quantiles of the distance between two
descriptions, and of the change between small pictures of a face that talks, the same under a hand-held camera, and a frame of it
that is shown still to such a camera and compressed.
"""

from __future__ import annotations

import argparse


def parsed() -> argparse.Namespace:
    """The command's arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus")
    parser.add_argument("--news", type=int, default=60, help="news clips, of any of two dozen people")
    parser.add_argument("--grid", type=int, default=20, help="clips of one speaker")
    return parser.parse_args()


if __name__ == "__main__":
    ARGUMENTS = parsed()  # before imports that take seconds

import itertools
import random
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from reels import camera_path, filmed
from rich.console import Console
from rich.table import Table

from lipsync_ray.faces.appearance import small_face
from lipsync_ray.faces.detect import Detector, detection_size, mtcnn_detector
from lipsync_ray.faces.identity import DIFFERENT, SAME
from lipsync_ray.faces.persons import STILL, change
from lipsync_ray.media import decode
from lipsync_ray.media.picture import U8
from lipsync_ray.media.probe import probe_video
from lipsync_ray.models.face_descriptor import Describer

QUANTILES = (0, 0.01, 0.05, 0.5, 0.95, 0.99, 1)
EVERY, LOOKS = 10, 12  # frames


def main(asked: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    root, chosen = Path(asked.corpus), random.Random(1)
    videos = [path for path in sorted((root / "videos").iterdir()) if path.stem not in ("no_face", "crowd_1080p")]
    news = chosen.sample(sorted((root / "train").glob("*.mp4")), asked.news)
    grid = chosen.sample(sorted((root / "grid").glob("*.mp4")), asked.grid)
    detect, describe, rng = mtcnn_detector("cpu"), Describer("cpu"), np.random.default_rng(0)
    described: dict[Path, list[Any]] = {}
    changes: dict[str, list[float]] = {"talking": [], "talking, hand-held": [], "still, hand-held": []}
    seconds = 0.0
    for path in (*videos, *news, *grid):
        frames = frames_of(path)
        faces = faces_of(frames, detect)
        began = time.process_time()
        described[path] = [describe(frame, points[None])[0] for frame, points in faces]
        seconds += time.process_time() - began
        camera = camera_path(LOOKS, rng, 0.06, 4)
        size = frames[0].shape[1::-1]
        shaken = [seen(frame, rng) for frame in filmed(frames, size, camera[: len(frames)])]
        still = [seen(frame, rng) for frame in filmed([frames[0]] * LOOKS, size, camera)]
        for name, shown in (
            ("talking", faces),
            ("talking, hand-held", faces_of(shaken, detect)),
            ("still, hand-held", faces_of(still, detect)),
        ):
            patches = [patch for face in shown if (patch := small_face(*face)).any()]
            if len(patches) > 2:
                changes[name].append(change(np.stack(patches)))
    apart = Table("descriptions", "pairs", *(f"{q:.0%}" for q in QUANTILES), box=None)
    rows = {
        "one shot": [d for own in described.values() for d in distances(own, own)],
        "one person, other shots": [
            d for a, b in itertools.combinations(grid, 2) for d in distances(described[a], described[b])
        ],
        "two people": [d for a in news for b in grid for d in distances(described[a], described[b])]
        + [d for a in news for b in videos for d in distances(described[a], described[b])],
    }
    for name, values in rows.items():
        apart.add_row(name, str(len(values)), *(f"{value:.2f}" for value in np.quantile(values, QUANTILES)))
    moves = Table("change", "faces", *(f"{q:.0%}" for q in QUANTILES), box=None)
    for name, found in changes.items():
        moves.add_row(name, str(len(found)), *(f"{value:.2f}" for value in np.quantile(found, QUANTILES)))
    console = Console(width=120)
    console.print(apart, moves)
    each = 1000 * seconds / sum(map(len, described.values()))
    console.print(f"one below {SAME}, two above {DIFFERENT}; still below {STILL}; {each:.1f} ms a description")


def frames_of(path: Path) -> list[U8]:
    """Every tenth frame, at the size that faces are looked for at."""
    info = probe_video(str(path))
    size = detection_size(info.width, info.height)
    return list(decode.small_rgb(info, 0, min(info.frames, EVERY * LOOKS), *size))[::EVERY]


def faces_of(frames: list[U8], detect: Detector) -> list[tuple[U8, Any]]:
    """(frame, landmarks) of the largest face of each frame that has one."""
    out = []
    for frame in frames:
        faces = detect(frame)
        if len(faces):
            out.append((frame, faces.landmarks[int(np.argmax(faces.box[:, 2] - faces.box[:, 0]))]))
    return out


def seen(frame: U8, rng: Any) -> U8:
    """Compressed, and with some noise."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(50, 92))]
    back = np.asarray(cv2.imdecode(cv2.imencode(".jpg", frame, quality)[1], cv2.IMREAD_COLOR))
    return np.asarray(np.clip(back + rng.normal(0, 2, frame.shape), 0, 255), np.uint8)


def distances(some: list[Any], others: list[Any]) -> list[float]:
    """Of each pair of descriptions, once."""
    pairs = itertools.combinations(some, 2) if some is others else itertools.product(some, others)
    return [float(np.linalg.norm(a - b)) for a, b in pairs]


if __name__ == "__main__":
    main(ARGUMENTS)
