"""How often painted inner mouths are told from real ones, by a classifier that sees other people only.

    uv run python benchmarks/insides.py TABLE OUT [--model warp] [--sheet PNG]

TABLE names clips and who is in them (video, person), people of whom nothing taught the painter. In open mouths of these
clips the inside is replaced: by the lips' colour, darkened, which a checkpoint without a painter draws, and by what the
model paints. All are encoded alike (H.264, CRF 20, at the clips' resolution). A small network is taught on one half of
the people to tell them from the clips' own frames, judges the other half, and the other way round. It shares nothing with
the painter. The control is a comparison of two halves of the real frames.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def parsed() -> argparse.Namespace:
    """The command's arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", metavar="TABLE", help="clips, with columns video and person")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for the found mouths, which are kept")
    parser.add_argument("--model", default="warp", help="warp, or a checkpoint (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=400, help="of the classifier (default: %(default)s)")
    parser.add_argument("--sheet", type=Path, help="picture of real, dark and painted mouths to write")
    return parser.parse_args()


if __name__ == "__main__":
    ARGUMENTS = parsed()  # before imports that take seconds

import pickle
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import av
import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from lipsync_ray.compute import one_thread
from lipsync_ray.faces import mesh
from lipsync_ray.faces.detect import detection_size, mtcnn_detector
from lipsync_ray.faces.mesh import LOWER_INNER, RING, TALKING, UPPER_INNER
from lipsync_ray.faces.mouth_inside import darken, mouth_box, soft, spread_from
from lipsync_ray.faces.mouth_painter import LipEdges, MouthPainter, tone_of
from lipsync_ray.jobs.train.clips import Clip, read_clips
from lipsync_ray.media import decode
from lipsync_ray.media.picture import YuvFrame
from lipsync_ray.media.probe import probe_video
from lipsync_ray.models.face_mesh import Mesher
from lipsync_ray.models.lip_poses import load_ensemble
from lipsync_ray.models.weights import by_name, find

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]

OPEN = 0.05  # eye distances: gap from which an inner mouth counts as visible
FRAMES = 6  # of a clip at most
CLOSED = 0.05  # of a clip's frames, the most closed ones
CRF = "20"
WIDE, TALL = 96, 48  # pixels: what the classifier sees
AROUND = 1.3  # widths of the mouth
BATCH = 64


@dataclass(frozen=True)
class OpenMouth:
    """A frame with an open mouth, its landmarks, and the lips of its clip when they are closed."""

    person: str
    picture: YuvFrame
    points: F64
    closed: F64


class Finder:
    """Finds open mouths in clips."""

    def __init__(self) -> None:
        self._detector, self._mesher = mtcnn_detector("cpu"), Mesher("cpu")

    def __call__(self, clip: Clip) -> list[OpenMouth]:
        info = probe_video(clip.url)
        pictures = list(decode.pictures(info, 0, info.frames))
        size = detection_size(info.width, info.height)
        middle = info.frames // 2
        faces = self._detector(next(decode.small_rgb(info, middle, middle + 1, *size, decode.FrameIssues())))
        if not len(faces):
            return []
        square = mesh.square_of_box(faces.box[0] * np.tile((info.width / size[0], info.height / size[1]), 2))
        cuts = [cut for picture in pictures if (cut := mesh.cut_square(picture, square)) is not None]
        found, _ = self._mesher(np.stack(cuts))
        points = found[:, list(mesh.KEPT)].astype(np.float64) @ square[:, :2].T + square[:, 2]
        lips = mesh.heads_of(points).inside(points[:, TALKING])
        gaps = mesh.gap_of(lips)
        order = np.argsort(gaps, kind="stable")
        closed = lips[order[: max(1, int(np.ceil(CLOSED * len(order))))]].mean(0)
        wide = order[gaps[order] >= OPEN]
        chosen = wide[np.unique(np.linspace(0, len(wide) - 1, FRAMES).astype(int))] if len(wide) else wide
        return [OpenMouth(clip.person or clip.id, pictures[at], points[at], closed) for at in chosen.tolist()]


def found_in(table: str, folder: Path) -> list[OpenMouth]:
    """The open mouths of a table's clips, kept in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    cache = folder / "mouths.pickle"
    if not cache.exists():
        find_in = Finder()
        cache.write_bytes(pickle.dumps([mouth for clip in read_clips(table) for mouth in find_in(clip)]))
    mouths: list[OpenMouth] = pickle.loads(cache.read_bytes())
    return mouths


def redrawn(mouth: OpenMouth, painter: MouthPainter | None) -> YuvFrame:
    """The frame with its inner mouth painted, or dark: first covered by the lips' own colour, as lips that open do."""
    picture, at = mouth.picture.copy(), mouth.points
    heads = mesh.heads_of(at[None])
    eyes = float(heads.eyes[0])
    box = mouth_box(at, eyes, picture.width, picture.height)
    assert box is not None
    opening = soft(at[TALKING][[*UPPER_INNER, *LOWER_INNER[::-1]]], box, eyes)
    parts = [picture.y[box.y0 : box.y1, box.x0 : box.x1]]
    parts += [plane[box.y0 // 2 : box.y1 // 2, box.x0 // 2 : box.x1 // 2] for plane in (picture.u, picture.v)]
    planes = [part.astype(np.float32) for part in parts]
    for channel, plane in enumerate(planes):
        step = 1 if channel == 0 else 2
        weight = cv2.resize(opening, plane.shape[::-1], interpolation=cv2.INTER_AREA)
        plane += weight * (spread_from(plane, 1 - weight, eyes / step) - plane)
    if painter is None:
        darken(planes, opening)
    else:
        lips = LipEdges.of(heads.inside(at[None, TALKING])[0], mouth.closed)
        painter.paint(planes, picture, opening, box, heads, lips, tone_of(mouth.picture, at, eyes))
    for part, plane in zip(parts, planes, strict=True):
        part[:] = np.clip(np.rint(plane), 0, 255).astype(np.uint8)
    return picture


def encoded(pictures: list[YuvFrame]) -> list[U8]:
    """The pictures as BGR, after H.264 of each by itself."""
    out = []
    for picture in pictures:
        coder = av.CodecContext.create("libx264", "w")
        coder.width, coder.height, coder.pix_fmt = picture.width, picture.height, "yuv420p"
        coder.time_base = Fraction(1, 25)
        coder.options = {"crf": CRF, "threads": "1"}
        planes = np.concatenate([plane.reshape(-1) for plane in (picture.y, picture.u, picture.v)])
        frame = av.VideoFrame.from_ndarray(planes.reshape(-1, picture.width), format="yuv420p")
        packets = [*coder.encode(frame), *coder.encode(None)]
        reader = av.CodecContext.create("h264", "r")
        decoded = [frame for packet in packets for frame in reader.decode(packet)] + list(reader.decode(None))
        planes = decoded[0].to_ndarray(format="yuv420p").reshape(-1)
        y, u, v = np.split(planes, [picture.y.size, picture.y.size + picture.u.size])
        shape = picture.u.shape
        out.append(YuvFrame(y.reshape(picture.y.shape), u.reshape(shape), v.reshape(shape), picture.colour).bgr())
    return out


def cut(bgr: U8, points: F64) -> U8:
    """(48, 96, 3) the mouth between its corners, with some of the lips."""
    left, right = points[RING], points[RING + RING // 2]
    along = (right - left) * AROUND / WIDE
    down = np.array([-along[1], along[0]])
    turn = np.stack((along, down), axis=1)
    corner = points[TALKING][[*UPPER_INNER, *LOWER_INNER]].mean(0) - turn @ (WIDE / 2 - 0.5, TALL / 2 - 0.5) - 0.5
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(bgr, np.column_stack((turn, corner)), (WIDE, TALL), flags=flags), np.uint8)


class Judge(nn.Module):
    """(n, 3, 48, 96) to (n,) log odds that an inner mouth is drawn; 60 thousand parameters."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 16, 32, 64, 64)
        self.convs = nn.ModuleList(nn.Conv2d(a, b, 3, 2, 1) for a, b in pairwise(widths))
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in widths[1:])
        self.last = nn.Linear(widths[-1], 1)

    def forward(self, x: Tensor) -> Tensor:
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = F.relu(norm(conv(x)))
        out: Tensor = self.last(F.dropout(x.amax((2, 3)), 0.3, self.training))[:, 0]
        return out


def taught(real: U8, drawn: U8, steps: int) -> Judge:
    """A judge of these (n, 48, 96, 3) mouths."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    judge = Judge()
    optimizer = torch.optim.AdamW(judge.parameters(), 2e-3, weight_decay=0.05)
    for step in range(steps):
        some = [of[rng.integers(0, len(of), BATCH // 2)] for of in (drawn, real)]
        pictures = tensor_of(np.concatenate(some))
        if rng.random() < 0.5:
            pictures = pictures.flip(3)
        light = torch.from_numpy(rng.uniform(0.8, 1.25, (BATCH, 1, 1, 1)).astype(np.float32))
        wanted = torch.cat((torch.ones(BATCH // 2), torch.zeros(BATCH // 2)))
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * (1 - step / steps)
        loss = F.binary_cross_entropy_with_logits(judge(pictures * light), wanted)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return judge.eval()


def tensor_of(pictures: U8) -> Tensor:
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255


def right(judge: Judge, real: U8, drawn: U8) -> float:
    """How often the judge is right, of as many of each."""
    with torch.inference_mode():
        odds = [judge(tensor_of(some)) for some in (real, drawn)]
    return float(((odds[0] < 0).float().mean() + (odds[1] > 0).float().mean()) / 2)


def main(arguments: argparse.Namespace) -> None:
    one_thread()
    mouths = found_in(arguments.table, arguments.out)
    path = by_name(arguments.model).here() if find(arguments.model) else Path(arguments.model)
    weights = load_ensemble(path).painter
    sets = {"real": [mouth.picture for mouth in mouths], "dark": [redrawn(mouth, None) for mouth in mouths]}
    if weights is not None:
        sets["painted"] = [redrawn(mouth, weights.painter()) for mouth in mouths]
    seen = {
        name: np.stack([cut(bgr, mouth.points) for bgr, mouth in zip(encoded(pictures), mouths, strict=True)])
        for name, pictures in sets.items()
    }
    if arguments.sheet is not None:
        chosen = np.linspace(0, len(mouths) - 1, 36).astype(int)
        rows = [np.concatenate([pictures[at] for pictures in seen.values()], axis=1) for at in chosen]
        columns = [np.concatenate(rows[at::3]) for at in range(3)]
        cv2.imwrite(str(arguments.sheet), np.concatenate(columns, axis=1))
    people = np.array([mouth.person for mouth in mouths])
    names = sorted(set(people))
    halves = [np.isin(people, names[at::2]) for at in (0, 1)]
    odd = np.arange(len(mouths)) % 2 == 1
    print(f"| {len(mouths)} mouths of {len(names)} people | told from real, one half | the other half | mean |")
    print("|---|---|---|---|")
    for name in [*[*sets][1:], "real"]:
        found = []
        for own, other in (halves, halves[::-1]):
            first, second = (~odd, odd) if name == "real" else (odd | True, odd | True)
            judge = taught(seen["real"][own & first], seen[name][own & second], arguments.steps)
            found.append(right(judge, seen["real"][other & first], seen[name][other & second]))
        print(f"| {name} | {found[0]:.3f} | {found[1]:.3f} | {np.mean(found):.3f} |")


if __name__ == "__main__":
    main(ARGUMENTS)
