"""What moving lips costs, in CPU milliseconds a frame of one thread, beside the small Wav2Lip.

    uv run python benchmarks/warp.py VIDEO [VIDEO …]

Landmarks are found once a source video and serve all its languages; hearing and moving are paid by each dub. "Move and paint" is
of a person whose video never shows the mouth open.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from fractions import Fraction
from functools import partial


def parsed() -> argparse.Namespace:
    """The command's arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="+", metavar="VIDEO")
    return parser.parse_args()


if __name__ == "__main__":
    ARGUMENTS = parsed()  # before imports that take seconds

import cv2
import numpy as np
import torch

from lipsync_ray.faces import mesh
from lipsync_ray.faces.blend import paste
from lipsync_ray.faces.choices import Pads
from lipsync_ray.faces.closed_lips import closings
from lipsync_ray.faces.crop import crop_box, crop_face
from lipsync_ray.faces.detect import detection_size, mtcnn_detector
from lipsync_ray.faces.mouth import mouth_of
from lipsync_ray.faces.mouth_inside import inside_of
from lipsync_ray.faces.warp import LipWarp
from lipsync_ray.media import decode
from lipsync_ray.media.probe import probe_video
from lipsync_ray.models import generators
from lipsync_ray.models.closures import WINDOW
from lipsync_ray.models.face_mesh import Mesher
from lipsync_ray.models.weights import by_name

FRAMES = 48


def milliseconds(run: Callable[[], object], frames: int) -> float:
    """The best of three, after one that does not count."""
    run()
    times = []
    for _ in range(3):
        began = time.process_time()
        run()
        times.append(time.process_time() - began)
    return 1000 * min(times) / frames


def row(url: str) -> list[str]:
    info = probe_video(url, Fraction(25))
    frames = min(FRAMES, info.frames)
    pictures = list(decode.pictures(info, 0, frames))
    width, height = detection_size(info.width, info.height)
    small = next(decode.small_rgb(info, 0, 1, width, height, decode.FrameIssues()))
    box = mtcnn_detector("cpu")(small).box[0] * np.tile((info.width / width, info.height / height), 2)
    mesher, square = Mesher("cpu"), mesh.square_of_box(box)
    cuts = [cut for picture in pictures if (cut := mesh.cut_square(picture, square)) is not None]
    assert len(cuts) == frames, f"{url}: a face that leaves the frame"
    found = mesher(np.stack(cuts))[0]
    points = (found[:, list(mesh.KEPT)] @ square[:, :2].T + square[:, 2]).astype(np.float32)
    mouth = mouth_of(0, np.arange(frames), points)
    warp_spec, mini_spec = (next(s for s in generators.GENERATORS if s.name == name) for name in ("warp", "mini"))
    warp = warp_spec.load(by_name("warp"), "cpu", "fp32", None)
    mini = mini_spec.load(by_name("mini"), "cpu", "auto", None)
    mels = np.random.default_rng(0).normal(-1, 1, (frames, 80, WINDOW)).astype(np.float32)
    poses, closure = warp(mels), closings(warp.closedness(mels))
    open_at = mouth.open_frame
    inside = inside_of(pictures[open_at], points[open_at].astype(np.float64), mouth.open_gap)
    movers = [LipWarp(warp.basis, lambda mouth: inside), LipWarp(warp.basis, lambda mouth: None, warp.painter)]
    crop = crop_box(box, Pads(), info.width, info.height)
    assert crop is not None
    crops = np.stack([crop_face(picture, crop, 96) for picture in pictures])

    def move(mover: LipWarp) -> None:
        for place, picture in enumerate(pictures):
            mover.draw(picture.copy(), points[place], mouth, poses[place], 0.0, closure=float(closure[place]))

    def find() -> None:
        mesher(np.stack([cut for picture in pictures if (cut := mesh.cut_square(picture, square)) is not None]))

    def put() -> None:
        for place, picture in enumerate(pictures):
            paste(picture.copy(), crop, crops[place], "feather")

    costs = [
        milliseconds(find, frames),
        milliseconds(lambda: (warp(mels), warp.closedness(mels)), frames),
        *(milliseconds(partial(move, mover), frames) for mover in movers),
        milliseconds(lambda: mini(crops, mels[:, :, :16].copy()), frames),
        milliseconds(put, frames),
    ]
    eyes = float(mesh.heads_of(points[:1]).eyes[0])
    return [f"{info.width} × {info.height}", f"{eyes:.0f}", *(f"{cost:.1f}" for cost in costs)]


def main(arguments: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    print("| video | eyes, pixels | landmarks (a source frame) | hear | move | move and paint | `mini` | paste |")
    print("|---|---|---|---|---|---|---|---|")
    for url in arguments.videos:
        print("| " + " | ".join(row(url)) + " |")


if __name__ == "__main__":
    main(ARGUMENTS)
