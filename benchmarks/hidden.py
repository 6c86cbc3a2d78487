"""Hidden mouths: the set, the training and the figures of the network that says whether a mouth can be seen.

    uv run python benchmarks/hidden.py gather FACES.npz VIDEO [VIDEO …]      faces of videos, as squares with landmarks
    uv run python benchmarks/hidden.py teach FACES.npz visibility.safetensors [--minutes 15]
    uv run python benchmarks/hidden.py measure FACES.npz [--weights FILE]     covered and visible frames, by kind

`teach` draws one family of things before the mouths, `measure` another (tests/occluders.py); give it other people's
faces. A frame counts as covered where at least half of the lips is, as visible where at most a twentieth is.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any


def parsed() -> argparse.Namespace:
    """The command's arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("gather", "teach", "measure"))
    parser.add_argument("faces", type=Path, metavar="FACES.npz")
    parser.add_argument("others", nargs="*", metavar="VIDEO|WEIGHTS")
    parser.add_argument("--every", type=int, default=12, help="gather: one frame in so many")
    parser.add_argument("--minutes", type=float, default=15.0, help="teach: for so long, on one thread")
    parser.add_argument(
        "--weights", type=Path, help="measure: other weights than the bundled ones; teach: go on from them"
    )
    parser.add_argument(
        "--samples", type=int, default=24_000, help="teach: that are drawn, each then seen several times"
    )
    parser.add_argument("--seed", type=int, default=0, help="teach: of what is drawn")
    parser.add_argument(
        "--threshold", type=float, default=0.08, help="measure: probability below which a mouth is hidden"
    )
    return parser.parse_args()


if __name__ == "__main__":
    ARGUMENTS = parsed()  # before imports that take seconds

import time

import cv2
import numpy as np
import torch

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
from occluders import OTHERS, SIDE, TAUGHT, Rng
from safetensors.torch import load_file, save_file
from torch.nn import functional as F

from lipsync_ray.faces.detect import detection_size, mtcnn_detector
from lipsync_ray.faces.mesh import LIPS, RING, cut_square, square_of
from lipsync_ray.inputs.mesh_tables import PRESENT
from lipsync_ray.media import decode
from lipsync_ray.media.probe import probe_video
from lipsync_ray.models import visibility
from lipsync_ray.models.checkpoint import bundled
from lipsync_ray.models.face_mesh import Mesher

_AROUND = [*range(11), *range(19, 10, -1)]  # the lips' outer ring, once around


def gather(videos: list[str], every: int, out: Path) -> None:
    """Keep one face of a frame in so many: its square, and where its lips are."""
    detector, mesher = mtcnn_detector("cpu"), Mesher("cpu")
    faces, lips, names = [], [], []
    for video in videos:
        info = probe_video(video)
        width, height = detection_size(info.width, info.height)
        scale = np.array([info.width / width, info.height / height], np.float32)
        for place, picture in enumerate(decode.pictures(info, 0, info.frames)):
            if place % every != every // 2:
                continue
            small = cv2.resize(picture.bgr(), (width, height), interpolation=cv2.INTER_AREA)
            found = detector(np.ascontiguousarray(small[..., ::-1]))
            if not len(found):
                continue
            square = cut_square(picture, square_of(found.landmarks[0] * scale))
            if square is None:
                continue
            points, present = mesher(square[None])
            if present[0] >= PRESENT:
                faces.append(square)
                lips.append(points[0][list(LIPS[:RING])])
                names.append(Path(video).stem)
    np.savez(out, faces=np.stack(faces), lips=np.stack(lips), names=np.array(names))
    print(f"{len(faces)} faces of {len(set(names))} videos")


def covered(form: Any, lips: Any) -> float:
    """How much of the lips an opacity covers, 0 to 1."""
    mask = np.zeros((SIDE, SIDE), np.float32)
    cv2.fillPoly(mask, [np.round(lips[_AROUND]).astype(np.int32)], 1.0)
    return float((mask * form).sum() / max(1.0, mask.sum()))


def put(rng: Rng, picture: Any, drawn: Any, form: Any) -> tuple[Any, Any]:
    """The picture with something before it, its edge softened, perhaps with a shadow; and how opaque it is."""
    form = cv2.GaussianBlur(form, (0, 0), rng.uniform(0.3, 2.0))
    if rng.random() < 0.3:
        shadow = cv2.GaussianBlur(np.roll(form, rng.integers(-6, 7, 2), (0, 1)), (0, 0), 4)[..., None]
        picture = picture * (1 - rng.uniform(0.1, 0.5) * shadow)
    light = picture[60:180, 40:150].mean() / 120 if rng.random() < 0.5 else 1.0
    drawn = np.clip(drawn * np.clip(light, 0.3, 1.3), 0, 255)
    return picture + form[..., None] * (drawn - picture), form


def grown(rng: Rng, picture: Any, lips: Any) -> Any:
    """The face with painted or pale lips, or with a beard around them."""
    mask = np.zeros((SIDE, SIDE), np.float32)
    cv2.fillPoly(mask, [np.round(lips[_AROUND]).astype(np.int32)], 1.0)
    soft = cv2.GaussianBlur(mask, (0, 0), 1.5)[..., None]
    kind = rng.random()
    if kind < 0.3:
        paint = np.array((rng.uniform(60, 220), rng.uniform(10, 90), rng.uniform(20, 120)))
        return picture + soft * rng.uniform(0.2, 0.6) * (paint - picture)
    if kind < 0.6:  # pale lips, nearly of the skin's colour
        pale = np.median(picture[95:110, 60:75].reshape(-1, 3), axis=0)
        return picture + soft * rng.uniform(0.2, 0.75) * (pale - picture)
    centre = lips.mean(0)
    around = np.zeros((SIDE, SIDE), np.float32)
    top, sides = int(rng.uniform(10, 22)), int(rng.uniform(30, 60))
    cv2.ellipse(around, (int(centre[0]), int(centre[1]) + 20), (sides, top + 38), 0, 0, 360, 1.0, -1)
    around[: int(centre[1] - top)] = 0
    hair = cv2.GaussianBlur(around, (0, 0), 4)[..., None] * (1 - soft)
    strands = cv2.GaussianBlur(rng.normal(0, 1, (SIDE, SIDE)).astype(np.float32), (0, 0), sigmaX=0.7, sigmaY=2.0)[
        ..., None
    ]
    shade = rng.uniform(0.25, 0.8) + rng.uniform(0.05, 0.6) * strands
    return (
        picture * (1 - hair) + hair * picture * np.clip(shade, 0.05, 1.5) + hair * rng.uniform(0, 40) * (strands > 0.3)
    )


def looked_at(rng: Rng, picture: Any, form: Any) -> tuple[Any, Any]:
    """The network's picture (64 × 64) of a square, and where it is covered (8 × 8): elsewhere, in other light, spoilt."""
    turn, zoom = rng.normal(0, 7), rng.uniform(0.8, 1.28)
    affine = cv2.getRotationMatrix2D((96, 124), turn, zoom)
    affine[:, :2] = affine[:, :2] @ np.diag((rng.uniform(0.8, 1.1), 1))
    affine[:, 2] = np.array((96, 124)) - affine[:, :2] @ (96, 124) + rng.normal(0, 5, 2)
    both = np.dstack((picture, form * 255))
    if rng.random() < 0.1:  # the picture ends below the lips, or beside them
        edge = int(rng.uniform(132, 175))
        both[edge:] = both[edge]
    moved = cv2.warpAffine(both, affine, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
    part = cv2.resize(moved[76:172, 48:144], (visibility.SIDE, visibility.SIDE), interpolation=cv2.INTER_AREA)
    cells = cv2.resize(part[..., 3], (8, 8), interpolation=cv2.INTER_AREA) / 255
    return spoilt(rng, part[..., :3]), cells


def spoilt(rng: Rng, part: Any) -> Any:
    """Darker, lighter, of another colour, blurred, of few pixels, noisy, compressed."""
    part = part * rng.uniform(0.35, 1.35) + rng.uniform(-20, 25)
    part = part.mean() + (part - part.mean()) * rng.uniform(0.5, 1.3)
    part = part * rng.uniform(0.85, 1.15, 3)
    grey = part.mean(2, keepdims=True)
    if rng.random() < 0.5:
        part = grey + (part - grey) * rng.uniform(0, 1.3)
    if rng.random() < 0.35:
        side = int(rng.uniform(16, 60))
        part = cv2.resize(cv2.resize(part, (side, side), interpolation=cv2.INTER_AREA), (64, 64))
    if rng.random() < 0.2:
        part = cv2.GaussianBlur(part, (0, 0), sigmaX=rng.uniform(0.3, 2.5), sigmaY=rng.uniform(0.3, 2.5))
    if rng.random() < 0.5:
        part = part + rng.normal(0, rng.uniform(0, 9), part.shape)
    part = np.clip(part, 0, 255).astype(np.uint8)
    if rng.random() < 0.4:
        part = cv2.imdecode(cv2.imencode(".jpg", part, [cv2.IMWRITE_JPEG_QUALITY, int(rng.uniform(20, 90))])[1], 1)
    return part


def sample(rng: Rng, faces: Any, lips: Any) -> tuple[Any, Any, float]:
    """The network's picture, where it is covered, and how much of the lips is."""
    row = int(rng.integers(len(faces)))
    picture, own, form = faces[row].astype(np.float32), lips[row], np.zeros((SIDE, SIDE), np.float32)
    if rng.random() < 0.35:
        picture = grown(rng, picture, own)
    if rng.random() < 0.25:  # a side in shade
        x = (np.linspace(-1, 1, SIDE) * rng.choice((-1, 1)))[None, :, None]
        picture = picture * (1 - rng.uniform(0.2, 0.7) * np.clip(x + rng.uniform(-0.3, 0.5), 0, 1)).astype(np.float32)
    if rng.random() < 0.68:
        kind = TAUGHT[int(rng.integers(len(TAUGHT)))]
        spread = 10.0 if rng.random() < 0.5 else 50.0
        at = own.mean(0) + rng.normal(0, spread, 2)
        drawn, one = kind(rng, picture, at, faces[int(rng.integers(len(faces)))])
        picture, form = put(rng, picture, drawn, one)
    part, cells = looked_at(rng, picture, form)
    return part, cells, covered(form, own)


def teach(faces: Any, lips: Any, minutes: float, out: Path, init: Path | None, seed: int, samples: int) -> None:
    """Train on drawn samples until the time is over; from other weights on, where they are given."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    began = time.monotonic()
    made = [sample(rng, faces, lips) for _ in range(samples)]
    parts = torch.from_numpy(np.stack([m[0] for m in made])).permute(0, 3, 1, 2).contiguous()
    cells = torch.from_numpy(np.stack([m[1] for m in made]).astype(np.float32))
    hidden = torch.from_numpy(np.array([np.clip((m[2] - 0.08) / 0.3, 0, 1) for m in made], np.float32))
    print(
        f"{len(made)} samples in {time.monotonic() - began:.0f} s; {float((hidden > 0.5).float().mean()):.2f} hidden",
        flush=True,
    )
    network = of_file(init) if init else visibility.MouthVisibility()
    optimiser = torch.optim.AdamW(network.parameters(), 2e-3, weight_decay=1e-2)
    began, batch, turn = time.monotonic(), 128, 0
    while (done := (time.monotonic() - began) / 60 / minutes) < 1:
        order, losses = torch.randperm(len(parts)), []
        for rows in torch.split(order, batch):
            done = min(1.0, (time.monotonic() - began) / 60 / minutes)
            optimiser.param_groups[0]["lr"] = 2e-3 * (0.5 + 0.5 * np.cos(np.pi * done)) + 1e-6
            pictures, grid = parts[rows].float() / 255, cells[rows]
            if rng.random() < 0.5:
                pictures, grid = pictures.flip(3), grid.flip(2)
            pictures = pictures * (0.8 + 0.4 * torch.rand(len(rows), 1, 1, 1)) + 0.1 * (
                torch.rand(len(rows), 3, 1, 1) - 0.5
            )
            seen, cover = network(pictures.clamp(0, 1))
            loss = F.binary_cross_entropy_with_logits(seen, 1 - hidden[rows])
            loss = loss + 0.7 * F.binary_cross_entropy_with_logits(cover, grid)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            losses.append(loss.item())
            if done >= 1:
                break
        turn += 1
        print(f"turn {turn}: {np.mean(losses):.3f} after {(time.monotonic() - began) / 60:.1f} min", flush=True)
        save_file({name: t.half() if t.is_floating_point() else t for name, t in network.state_dict().items()}, out)


def of_file(path: Path) -> visibility.MouthVisibility:
    """The network with the weights of a file."""
    network = visibility.MouthVisibility()
    network.load_state_dict({name: t.float() if t.is_floating_point() else t for name, t in load_file(path).items()})
    return network


def measure(faces: Any, lips: Any, names: Any, network: visibility.MouthVisibility, threshold: float) -> None:
    """Print how many covered frames are found by kind, and how many visible ones are taken for hidden by video."""
    rng = np.random.default_rng(1)

    def probabilities(squares: list[Any]) -> Any:
        shown = np.stack([visibility.mouth_crop(square) for square in squares])
        pictures = torch.from_numpy(shown).permute(0, 3, 1, 2).float() / 255
        return torch.cat([network(some)[0].sigmoid() for some in torch.split(pictures, 64)]).numpy()

    with torch.inference_mode():
        plain = probabilities(list(faces))
        print("visible, nothing near the mouth: taken for hidden")
        for name in sorted(set(names)):
            own = plain[names == name]
            print(f"  {name:24} {(own < threshold).mean():6.1%} of {len(own)}")
        print(f"  all                      {(plain < threshold).mean():6.1%} of {len(plain)}")
        for name, kind in OTHERS.items():
            squares, shares = [], []
            for row in range(len(faces)):
                at = lips[row].mean(0) + rng.normal(0, 8 if row % 2 else 45, 2)
                drawn, form = kind(rng, faces[row].astype(np.float32), at, faces[(row * 7 + 3) % len(faces)])
                picture, form = put(rng, faces[row].astype(np.float32), drawn, form)
                squares.append(np.clip(picture, 0, 255).astype(np.uint8))
                shares.append(covered(form, lips[row]))
            seen, share = probabilities(squares), np.array(shares)
            over, clear = share >= 0.5, share <= 0.05
            print(
                f"  {name:24} covered, left alone {(seen[over] < threshold).mean():6.1%} of {over.sum()}; "
                f"visible, taken for hidden {(seen[clear] < threshold).mean():6.1%} of {clear.sum()}"
            )


if __name__ == "__main__":
    if ARGUMENTS.command == "gather":
        gather(ARGUMENTS.others, ARGUMENTS.every, ARGUMENTS.faces)
    else:
        with np.load(ARGUMENTS.faces) as held:
            FACES, MOUTHS, NAMES = held["faces"], held["lips"], held["names"]
        if ARGUMENTS.command == "teach":
            teach(
                FACES,
                MOUTHS,
                ARGUMENTS.minutes,
                Path(ARGUMENTS.others[0]),
                ARGUMENTS.weights,
                ARGUMENTS.seed,
                ARGUMENTS.samples,
            )
        else:
            bundled_one = ARGUMENTS.weights is None
            NETWORK = bundled(visibility.MouthVisibility(), "visibility") if bundled_one else of_file(ARGUMENTS.weights)
            measure(FACES, MOUTHS, NAMES, NETWORK.eval(), ARGUMENTS.threshold)
