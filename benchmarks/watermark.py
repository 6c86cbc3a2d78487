"""Whether the mark in the pixels is found again after what platforms do to videos, what it costs, and what it changes.

    uv run python benchmarks/watermark.py CORPUS [--clips 60] [--unmarked 200] [--marks 1]

Stretches of five seconds are cut from the videos of CORPUS/videos, and from clips of CORPUS/grid and CORPUS/train, joined. Every frame
of a stretch is marked with a random id, and it is encoded as a dub is; then each of the ways below is done to it, and the mark is
looked for, without the source. A row says in how many stretches it was found with its own id, and the least score. `wrong` counts ids
that nobody wrote, which should be none. Whole videos and clips without a mark are looked through last.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def parsed() -> argparse.Namespace:
    """The command's arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--clips", type=int, default=60, help="of each folder of clips that are joined and marked")
    parser.add_argument(
        "--unmarked", type=int, default=200, help="clips of each folder that are looked through unmarked"
    )
    parser.add_argument("--marks", type=int, default=1, help="random ids that each stretch is marked with in turn")
    return parser.parse_args()


if __name__ == "__main__":
    ARGUMENTS = parsed()  # before imports that take seconds

import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

from lipsync_ray.media import decode
from lipsync_ray.media.choices import VideoCoding
from lipsync_ray.media.encode import encode
from lipsync_ray.media.mark_code import ID_BITS
from lipsync_ray.media.picture import YuvFrame
from lipsync_ray.media.probe import probe_video
from lipsync_ray.media.watermark import marked
from lipsync_ray.provenance.mark_keys import PUBLIC
from lipsync_ray.provenance.watermarks import STRETCH_S, find_watermark

Frames = list[YuvFrame]
RATE = Fraction(25)
AGAIN = 23  # crf of what is coded anew for another reason: x264's own default


def resized(frame: YuvFrame, width: int, height: int) -> YuvFrame:
    """A frame of another, even size."""

    def scaled(plane: NDArray[np.uint8], times: int) -> NDArray[np.uint8]:
        size = width * times // 2, height * times // 2
        return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_AREA), np.uint8)

    return YuvFrame(scaled(frame.y, 2), scaled(frame.u, 1), scaled(frame.v, 1), frame.colour)


def halved(frames: Frames) -> Frames:
    return [resized(frame, frame.width // 4 * 2, frame.height // 4 * 2) for frame in frames]


def to_360_lines(frames: Frames) -> Frames:
    scale = 360 / min(frames[0].width, frames[0].height)
    return [resized(frame, round(frame.width * scale / 2) * 2, round(frame.height * scale / 2) * 2) for frame in frames]


def cropped(frames: Frames) -> Frames:
    """A tenth of either side is cut off, more of it at one end."""
    first = frames[0]
    high, wide = round(first.height * 0.45), round(first.width * 0.45)
    top, left = round(first.height * 0.015), round(first.width * 0.03)

    def part(plane: NDArray[np.uint8], times: int) -> NDArray[np.uint8]:
        found = plane[top * times : (top + high) * times, left * times : (left + wide) * times]
        return np.ascontiguousarray(found)

    return [YuvFrame(part(one.y, 2), part(one.u, 1), part(one.v, 1), one.colour) for one in frames]


def thinned(frames: Frames) -> Frames:
    """From 30 frames a second to 25."""
    return [frame for number, frame in enumerate(frames) if number % 6 != 5]


WAYS: dict[str, tuple[Callable[[Frames], Frames], int | None]] = {
    "as it was made, crf 18": (lambda frames: frames, None),
    "H.264, crf 28": (lambda frames: frames, 28),
    "scaled to a half": (halved, AGAIN),
    "scaled to 360 lines": (to_360_lines, AGAIN),
    "cropped by a tenth": (cropped, AGAIN),
    "30 → 25 frames/s": (thinned, AGAIN),
    "cropped, halved, crf 28": (lambda frames: halved(cropped(frames)), 28),
}
ASKED = 42.0  # dB


def coded(frames: Frames, crf: float) -> bytes:
    """As a dub's part is."""
    return encode(frames, RATE, Fraction(1), VideoCoding(crf, "veryfast"))


def decoded(data: bytes) -> Frames:
    """The frames of a small file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "v.mp4"
        path.write_bytes(data)
        info = probe_video(str(path))
        return [picture.copy() for picture in decode.pictures(info, 0, info.frames)]


def stretches(corpus: Path, clips: int) -> Iterator[tuple[str, Frames]]:
    """(kind of picture, frames) of five seconds each, or of what a short video has."""
    count = int(STRETCH_S * RATE)
    for path in sorted((corpus / "videos").iterdir()):
        info = probe_video(str(path))
        size = f"{info.width}×{info.height}"
        for start in range(0, info.frames, count):
            if info.frames - start >= count * 4 // 5:
                yield size, [p.copy() for p in decode.pictures(info, start, min(info.frames, start + count))]
    for folder in ("grid", "train"):
        joined: Frames = []
        for path in sorted((corpus / folder).glob("*.mp4"))[:clips]:
            info = probe_video(str(path))
            joined += [picture.copy() for picture in decode.pictures(info, 0, info.frames)]
            while len(joined) >= count:
                yield f"{info.width}×{info.height}, {folder}", joined[:count]
                joined = joined[count:]


def look(data: bytes) -> tuple[str | None, float] | None:
    """(id, score) of the mark in a file; None where there is none."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "v.mp4"
        path.write_bytes(data)
        found = find_watermark(path, [PUBLIC])
    return None if found is None else (found.id, found.score)


def psnr(before: Sequence[YuvFrame], after: Sequence[YuvFrame]) -> float:
    """dB of the luminance of a stretch."""
    errors = [np.mean((b.y.astype(np.float32) - a.y) ** 2) for b, a in zip(before, after, strict=True)]
    return float(10 * np.log10(255**2 / np.mean(errors)))


def main() -> None:
    cv2.setNumThreads(1)
    rng = np.random.default_rng(30)
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    quality: dict[str, list[float]] = defaultdict(list)
    costs: dict[str, list[float]] = defaultdict(list)
    wrong = 0
    for kind, frames in stretches(ARGUMENTS.corpus, ARGUMENTS.clips):
        for _ in range(ARGUMENTS.marks):
            ident = int(rng.integers(1 << ID_BITS))
            marked(frames[0], PUBLIC, ident)  # the pattern is made once
            began = time.process_time()
            after = [marked(frame, PUBLIC, ident) for frame in frames]
            costs[kind].append((time.process_time() - began) / len(frames) * 1000)
            quality[kind].append(psnr(frames, after))
            made = coded(after, 18)
            shown = decoded(made)
            for way, (do, crf) in WAYS.items():
                seen = look(made if crf is None else coded(do(shown), crf))
                right = seen is not None and seen[0] == f"{ident:010x}"
                wrong += seen is not None and seen[0] is not None and not right
                found[way][kind].append(seen[1] if right and seen is not None else 0.0)
    table(found, quality, costs)
    print(f"\nwrong ids: {wrong}")
    unmarked()


def table(
    found: dict[str, dict[str, list[float]]], quality: dict[str, list[float]], costs: dict[str, list[float]]
) -> None:
    """Print what was found."""
    kinds = list(quality)
    print("| | " + " | ".join(kinds) + " | all |\n|---" * 1 + "|---" * (len(kinds) + 1) + "|")
    print(
        f"| stretches | {' | '.join(str(len(quality[kind])) for kind in kinds)} | {sum(map(len, quality.values()))} |"
    )
    for way, each in found.items():
        cells = [f"{sum(map(bool, each[kind]))} (z {min(each[kind]):.0f})" for kind in kinds]
        scores = [score for kind in kinds for score in each[kind]]
        print(f"| {way} | {' | '.join(cells)} | {100 * np.mean(np.array(scores) > 0):.1f} % |")
    worst = [f"{min(quality[kind]):.1f}" for kind in kinds]
    print(f"| PSNR, dB, least | {' | '.join(worst)} | {min(min(q) for q in quality.values()):.1f} (asked {ASKED}) |")
    print(f"| ms a frame, one core | {' | '.join(f'{np.median(costs[kind]):.1f}' for kind in kinds)} | |")


def unmarked() -> None:
    """Look through what has no mark."""
    files = sorted((ARGUMENTS.corpus / "videos").iterdir())
    for folder in ("grid", "train"):
        files += sorted((ARGUMENTS.corpus / folder).glob("*.mp4"))[-ARGUMENTS.unmarked :]
    found = [path.name for path in files if find_watermark(path, [PUBLIC]) is not None]
    print(f"marks in {len(files)} files without one: {len(found)} {' '.join(found)}")


if __name__ == "__main__":
    main()
