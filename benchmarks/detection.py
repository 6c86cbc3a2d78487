"""What finding faces costs: a look of facenet-pytorch's MTCNN, ours at the whole frame and around known faces, and the whole pass.

    uv run python benchmarks/detection.py VIDEO [VIDEO …] [--frames 250]

CPU milliseconds of one process on one thread; looks are at the size that detection works at, the pass includes decoding and
scaling every frame. "Differ" is the largest difference of a box from facenet-pytorch's, in its larger side, of faces that both
find; "alone" counts faces that only one of them does.
"""

from __future__ import annotations

import argparse
import itertools
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


def parsed() -> argparse.Namespace:
    """The command's arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="+")
    parser.add_argument("--frames", type=int, default=250)
    return parser.parse_args()


if __name__ == "__main__":
    ARGUMENTS = parsed()  # before imports that take seconds

import cv2
import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from lipsync_ray.faces.detect import SMALLEST_FACE, Detector, Faces, detection_size, mtcnn_detector
from lipsync_ray.faces.scan import iou, scan
from lipsync_ray.media import decode
from lipsync_ray.media.picture import U8
from lipsync_ray.media.probe import VideoInfo, probe_video
from lipsync_ray.models.face_descriptor import Describer

LOOKS = 12  # frames of each video that single looks are measured on


def published() -> Detector:
    """facenet-pytorch's own cascade, at the same thresholds."""
    warnings.simplefilter("ignore")
    from facenet_pytorch import MTCNN

    cascade = MTCNN(keep_all=True, min_face_size=SMALLEST_FACE, post_process=False, device="cpu")

    def detect(frame: U8, near: Any = None, /) -> Faces:
        box, score, landmarks = cascade.detect(frame, landmarks=True)
        if box is None:
            return Faces(np.zeros((0, 4), np.float32), np.zeros((0, 5, 2), np.float32), np.zeros(0, np.float32))
        return Faces(*(np.asarray(part, np.float32) for part in (box, landmarks, score)))

    return detect


def ms(call: Callable[[], Any], items: int) -> tuple[Any, float]:
    """What it returns, and its CPU milliseconds an item."""
    began = time.process_time()
    answer = call()
    return answer, 1000 * (time.process_time() - began) / items


def frames_of(info: VideoInfo, start: int, stop: int) -> Iterator[U8]:
    """Frames as detection sees them."""
    return decode.small_rgb(info, start, stop, *detection_size(info.width, info.height))


def compared(ours: list[Faces], theirs: list[Faces]) -> tuple[float, int]:
    """(largest difference, faces that only one side has)."""
    largest, alone = 0.0, 0
    for a, b in zip(ours, theirs, strict=True):
        overlap = iou(a.box, b.box) if len(a) and len(b) else np.zeros((len(a), len(b)))
        same = overlap >= 0.5
        alone += int((~same.any(1)).sum() + (~same.any(0)).sum())
        for i in np.flatnonzero(same.any(1)):
            one, other = a.box[i], b.box[overlap[i].argmax()]
            largest = max(largest, float(np.abs(one - other).max() / (one[2:] - one[:2]).max()))
    return largest, alone


def main(asked: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    theirs, ours, describe = published(), mtcnn_detector("cpu"), Describer("cpu")
    table = Table(box=None, pad_edge=False)
    names = (
        "source",
        "looked at",
        "facenet",
        "whole",
        "around",
        "differ",
        "alone",
        "decode",
        "pass",
        "whole looks, around",
    )
    for name in names:
        table.add_column(name, justify="left" if name == "source" else "right")
    for url in asked.videos:
        info = probe_video(url)
        count = min(info.frames, asked.frames)
        at = np.linspace(5, count - 1, LOOKS).astype(int).tolist()
        pairs = [list(frames_of(info, number - 5, number + 1)) for number in at]
        before, now = [pair[0] for pair in pairs], [pair[-1] for pair in pairs]
        known = [ours(frame).box for frame in before]
        theirs(now[0])
        reference, dear = ms(lambda now=now: [theirs(frame) for frame in now], LOOKS)  # type: ignore[misc]
        found, whole = ms(lambda now=now: [ours(frame) for frame in now], LOOKS)  # type: ignore[misc]
        faced = [(frame, near) for frame, near in zip(now, known, strict=True) if len(near)]
        around = ms(lambda faced=faced: [ours(*pair) for pair in faced], max(1, len(faced)))[1]  # type: ignore[misc]
        differ, alone = compared(found, reference)
        looks = [0, 0]

        def counted(frame: U8, near: Any = None, /, looks: list[int] = looks) -> Faces:
            looks[near is not None] += 1
            return ours(frame, near)

        decoding = ms(lambda info=info, count=count: sum(1 for _ in frames_of(info, 0, count)), count)[1]  # type: ignore[misc]
        frames = itertools.islice(frames_of(info, 0, count), count)
        passed = ms(lambda: scan(frames, 0, count, count, info.rate, counted, describe), count)[1]  # noqa: B023
        size = detection_size(info.width, info.height)
        table.add_row(
            Path(url).name, f"{size[0]}×{size[1]}", f"{dear:.1f}", f"{whole:.1f}", f"{around:.1f}" if faced else "–",
            f"{differ:.2%}", str(alone), f"{decoding:.1f}", f"{passed:.1f}", f"{looks[0]}, {looks[1]} of {count}",
        )  # fmt: skip
    Console(width=140).print(table)


if __name__ == "__main__":
    main(ARGUMENTS)
