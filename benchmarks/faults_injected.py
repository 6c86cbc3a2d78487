"""Which check of an evaluation finds which fault of a dub, and how many flawless dubs it flags.

    uv run python benchmarks/faults_injected.py OUT VIDEO [VIDEO …] -- AUDIO [AUDIO …]

The first seconds of every video are dubbed with every sound by `warp`. One dub of each video then gets each fault by itself, in its
frames, its sound or its row: the copies are rows of a run folder like any other, and `lipsync-ray evaluate` scores them beside the
flawless dubs with the bundled networks. Prints for each fault how many of its copies are flagged and by which check, and for the sound
dubs the extremes of what the checks look at. Give other people with `--sound-only` to measure thresholds. OUT keeps all.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def parsed() -> argparse.Namespace:
    """The command's arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("videos", nargs="+", type=Path, metavar="VIDEO")
    parser.add_argument("--seconds", type=float, default=4.4, help="of every dub")
    parser.add_argument("--model", default="warp")
    parser.add_argument("--sound-only", action="store_true", help="no faults: what flawless dubs measure")
    words = sys.argv[1:]
    cut = words.index("--") if "--" in words else len(words)
    arguments = parser.parse_args(words[:cut])
    arguments.sounds = [Path(word) for word in words[cut + 1 :]]
    if not arguments.sounds:
        parser.error("expected OUT VIDEO … -- AUDIO …")
    return arguments


if __name__ == "__main__":
    ARGUMENTS = parsed()  # before imports that take seconds

import csv
import json
import re
import shutil
import subprocess
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import cv2
import numpy as np
from numpy.typing import NDArray

import lipsync_ray
from lipsync_ray.faces.align import fitted
from lipsync_ray.faces.table import read_table
from lipsync_ray.io.results import RESULTS, Result
from lipsync_ray.jobs.evaluate.scores import METRICS, SCORES, Score
from lipsync_ray.media import decode
from lipsync_ray.media.audio import mono_blocks
from lipsync_ray.media.choices import VideoCoding
from lipsync_ray.media.encode import encode
from lipsync_ray.media.picture import YuvFrame
from lipsync_ray.media.probe import probe_video

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
from material import add_sound, shift_sound

Planes = NDArray[np.uint8]
"""(h, w, 3) Y, U, V of a frame, all at full size."""
SHIFTS = (1, 2, 3, 5, 10)  # frames of 40 ms, both ways
BARELY = (1,)  # frames that a viewer does not notice: counted by themselves


@dataclass(frozen=True)
class Made:
    """A dub whose frames get a fault: (n, 4) boxes and (n, 5, 2) landmarks of its face, eyes first, and its frames."""

    box: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    frames: list[Planes]

    def mouth(self, at: int) -> tuple[NDArray[np.float64], float]:
        """Middle of the mouth, and the distance of the eyes, in pixels."""
        eyes, corners = self.landmarks[at, :2], self.landmarks[at, 3:]
        return corners.mean(0).astype(np.float64), float(np.hypot(*(eyes[1] - eyes[0])))

    def mask(self, at: int, wide: float, tall: float, up: float = 0.0, soft: float = 0.2) -> NDArray[np.float32]:
        """(h, w, 1) ellipse around the mouth, of so many distances of the eyes, `up` towards them, 0 to 1."""
        out = np.zeros(self.frames[at].shape[:2], np.float32)
        (x, y), eyes = self.mouth(at)
        centre, axes = (round(x), round(y - up * eyes)), (round(wide * eyes), round(tall * eyes))
        cv2.ellipse(out, centre, axes, 0, 0, 360, 1.0, -1)
        return np.asarray(cv2.GaussianBlur(out, (0, 0), soft * eyes), np.float32)[..., None]


Fault = Callable[[Made, Made, int], Planes]
"""A frame with the fault: of the dub, another person's dub, and the frame's number."""


def blended(below: Planes, above: Planes, mask: NDArray[np.float32]) -> Planes:
    return np.rint(below * (1 - mask) + above * mask).clip(0, 255).astype(np.uint8)


def moved(made: Made, picture: Planes, points: NDArray[np.float32], at: int) -> Planes:
    """A picture moved so that its landmarks lie on those of a frame."""
    height, width = made.frames[at].shape[:2]
    affine = fitted(points, made.landmarks[at].astype(np.float64))
    return np.asarray(cv2.warpAffine(picture, affine, (width, height), borderMode=cv2.BORDER_REPLICATE), np.uint8)


def frozen(made: Made, _: Made, at: int) -> Planes:
    picture = moved(made, made.frames[0], made.landmarks[0], at)
    return blended(made.frames[at], picture, made.mask(at, 0.75, 0.6))


def other_face(made: Made, other: Made, at: int) -> Planes:
    from_ = at % len(other.frames)
    picture = moved(made, other.frames[from_], other.landmarks[from_], at).astype(np.float32)
    mask = made.mask(at, 0.95, 1.25, up=0.55, soft=0.12)
    inside = mask[..., 0] > 0.5
    ours, theirs = made.frames[at][inside].astype(np.float32), picture[inside]
    picture = (picture - theirs.mean(0)) * (ours.std(0) / theirs.std(0).clip(1)).clip(0.5, 2) + ours.mean(0)
    return blended(made.frames[at], picture.clip(0, 255).astype(np.uint8), mask)


def seam(made: Made, _: Made, at: int) -> Planes:
    x0, y0, x1, y1 = made.box[at].round().astype(int)
    out = made.frames[at].astype(np.int16)
    out[max(0, (y0 + y1) // 2) : y1, max(0, x0) : x1, 0] += 10
    return out.clip(0, 255).astype(np.uint8)


def flicker(made: Made, _: Made, at: int) -> Planes:
    lighter = (made.frames[at].astype(np.int16) + np.array([6 * (-1) ** at, 0, 0])).clip(0, 255).astype(np.uint8)
    return blended(made.frames[at], lighter, made.mask(at, 0.8, 0.7))


def cast(made: Made, _: Made, at: int) -> Planes:
    tinted = (made.frames[at].astype(np.int16) + np.array([0, -5, 9])).clip(0, 255).astype(np.uint8)
    return blended(made.frames[at], tinted, made.mask(at, 0.8, 0.7))


def black(made: Made, _: Made, at: int) -> Planes:
    return np.full_like(made.frames[at], (16, 128, 128)) if 50 <= at < 75 else made.frames[at]


def torn(made: Made, _: Made, at: int) -> Planes:
    """Lips that are torn apart, by more than a mouth opens, again and again."""
    (x, y), eyes = made.mouth(at)
    height, width = made.frames[at].shape[:2]
    gap = 0.35 * eyes * abs(np.sin(at * 0.9))
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    down = rows - y
    inside = np.exp(-(((columns - x) / (0.45 * eyes)) ** 4) - (down / (0.7 * eyes)) ** 4)
    source = y + np.sign(down) * np.maximum(np.abs(down) - gap * inside, 0)
    return np.asarray(cv2.remap(made.frames[at], columns, source.astype(np.float32), cv2.INTER_LINEAR), np.uint8)


FAULTS: dict[str, Fault] = {
    "frozen lips": frozen,
    "another person's face": other_face,
    "a visible seam": seam,
    "flicker": flicker,
    "a colour cast": cast,
    "one second of black": black,
    "a torn mouth": torn,
}
OTHER_SOUND, OTHER_LANGUAGE = "sound of another row", "another language than its row's"


def clip(source: Path, target: Path, seconds: float, begin: float = 0.0) -> Path:
    """The first seconds of a video at 25 frames/s, at most 1080 pixels high, or of a sound."""
    if not target.exists():
        pictures = ["-vf", "scale=-2:'min(1080,trunc(ih/2)*2)'", "-r", "25", "-c:v", "libx264", "-crf", "10"]
        words = ["-ss", str(begin), "-i", str(source), "-t", str(seconds), "-c:a", "pcm_s16le", "-ac", "1"]
        pictures = [] if target.suffix == ".wav" else pictures
        subprocess.run(["ffmpeg", "-v", "error", "-y", *words, *pictures, str(target)], check=True)
    return target


def dubbed(arguments: argparse.Namespace) -> list[Result]:
    """The flawless dubs."""
    folder = arguments.out / "inputs"
    folder.mkdir(parents=True, exist_ok=True)
    videos = [clip(video, folder / f"{video.stem}.mkv", arguments.seconds) for video in arguments.videos]
    sounds = [clip(sound, folder / f"{sound.stem}.wav", arguments.seconds, 0.5) for sound in arguments.sounds]
    with (folder / "table.csv").open("w", newline="") as file:
        rows = [(f"{v.stem}-{s.stem}", v, s, s.stem) for v in videos for s in sounds]
        csv.writer(file).writerows([("id", "video", "audio", "language"), *rows])
    settings = lipsync_ray.DubSettings(model=arguments.model, face="largest", loop="pingpong")
    workers = lipsync_ray.Workers(engine="inline")
    made = lipsync_ray.dub_table(folder / "table.csv", arguments.out / "dubs", settings=settings, workers=workers)
    return [row for row in made.results if row.status == "done"]


def read(row: Result) -> Made:
    info = probe_video(str(row.output))
    tracks = read_table(str(row.face_table))
    number, count = int(np.bincount(tracks.track).argmax()), int(tracks.frame.max()) + 1
    box, points = np.full((count, 4), np.nan, np.float32), np.full((count, 5, 2), np.nan, np.float32)
    mine = tracks.track == number
    box[tracks.frame[mine]], points[tracks.frame[mine]] = tracks.box[mine], tracks.landmarks[mine]
    frames = [whole(picture) for picture in decode.pictures(info, 0, info.frames)]
    length = next((at for at in range(min(len(frames), count)) if np.isnan(box[at]).any()), min(len(frames), count))
    return Made(box[:length], points[:length], frames[:length])


def whole(picture: YuvFrame) -> Planes:
    size = (picture.width, picture.height)
    planes = [picture.y, *(cv2.resize(plane, size) for plane in (picture.u, picture.v))]
    return np.stack(planes, axis=-1).astype(np.uint8)


def written(planes: Iterator[Planes], like: Result, target: Path) -> None:
    """Encode frames, with a dub's sound."""
    info = probe_video(str(like.output))

    def pictures() -> Iterator[YuvFrame]:
        for one in planes:
            half = (one.shape[1] // 2, one.shape[0] // 2)
            u, v = (cv2.resize(one[..., k], half, interpolation=cv2.INTER_AREA) for k in (1, 2))
            yield YuvFrame(np.ascontiguousarray(one[..., 0]), u, v, info.colour)

    silent = target.with_suffix(".mp4")
    silent.write_bytes(encode(pictures(), Fraction(info.rate), Fraction(1), VideoCoding(crf=16)))
    add_sound(str(silent), *sound_of(like), str(target))
    silent.unlink()


def sound_of(row: Result) -> tuple[NDArray[np.float32], int]:
    """(n,) samples of a dub's sound, and their rate."""
    rates, parts = zip(*mono_blocks(str(row.output)), strict=True)
    return np.concatenate(parts), rates[0]


def with_faults(rows: list[Result], folder: Path) -> list[Result]:
    """Rows of faulty copies of one dub of each video."""
    folder.mkdir(parents=True, exist_ok=True)
    by_video: dict[str, list[Result]] = defaultdict(list)
    for row in rows:
        by_video[row.video].append(row)
    chosen = [own[place % len(own)] for place, own in enumerate(by_video.values())]
    made = [read(row) for row in chosen]
    out = []
    for place, (row, dub) in enumerate(zip(chosen, made, strict=True)):
        others = [at for at in range(len(chosen)) if chosen[at].audio != row.audio]
        if not others:
            raise SystemExit("expected two videos and two sounds at least")
        nearest = others[place % len(others)]
        other_row, other = chosen[nearest], made[nearest]

        def copy(fault: str, number: int = 0, row: Result = row, **values: object) -> tuple[Result, Path]:
            way = {-1: "-early", 0: "", 1: "-late"}[int(np.sign(number))]
            name = re.sub("[^a-z0-9_]+", "-", f"{row.id} {fault}".lower()) + way
            target = folder / f"{name}.mkv"
            copied = replace(row, id=name, output=str(target), model=fault, **values)  # type: ignore[arg-type]
            out.append(copied)
            return copied, target

        for shift in (sign * step for step in SHIFTS for sign in (-1, 1)):
            _, target = copy(f"sound moved by {abs(shift)}", shift)
            if not target.exists():
                shift_sound(str(row.output), shift, str(target))
        for fault, draw in FAULTS.items():
            _, target = copy(fault)
            if not target.exists():
                written((draw(dub, other, at) for at in range(len(dub.frames))), row, target)
        _, target = copy(OTHER_SOUND)
        if not target.exists():
            add_sound(str(row.output), *sound_of(other_row), str(target))
        _, target = copy(OTHER_LANGUAGE, language=other_row.language)
        if not target.exists():
            shutil.copy(str(row.output), target)
    return out


def evaluated(arguments: argparse.Namespace, sound: list[Result], faulty: list[Result]) -> list[Score]:
    """Score a run folder with all of them."""
    run = arguments.out / "run"
    run.mkdir(exist_ok=True)
    shutil.copy(arguments.out / "dubs" / "run.json", run)
    RESULTS.write_table(str(run), [*sound, *faulty])
    subprocess.run(
        [
            sys.executable, "-m", "lipsync_ray", "evaluate", str(run), "-o", str(arguments.out / "scores"), "--engine", "inline",
            "--scorer", "mini-sync", "--fid", "none", "--previews", "0", "--min-track", "50", "--exit-zero",
        ],
        check=True,
    )  # fmt: skip
    return SCORES.read_table(str(arguments.out / "scores"))


def checks_of(score: Score) -> list[str]:
    """Names of the checks that found something."""
    if score.status == "failed":
        return ["unreadable"]
    return [text.partition(":")[0] for text in score.faults]


def share(found: int, of: int) -> str:
    return f"{found} of {of} = {found / of:.3f}" if of else "–"


def main(arguments: argparse.Namespace) -> None:
    sound = dubbed(arguments)
    faulty = [] if arguments.sound_only else with_faults(sound, arguments.out / "faulty")
    scores = evaluated(arguments, sound, faulty)
    own = {row.id for row in sound}
    good = [score for score in scores if score.id in own]
    lines = ["| fault | flagged | by |", "|---|---|---|"]
    by_fault: dict[str, list[Score]] = defaultdict(list)
    for score in scores:
        if score.id not in own:
            by_fault[score.model or ""].append(score)
    for fault, group in by_fault.items():
        checks = Counter(check for score in group for check in checks_of(score))
        flagged = sum(bool(checks_of(score)) for score in group)
        by = ", ".join(f"{check} {count}" for check, count in checks.most_common())
        lines.append(f"| {fault} | {flagged} of {len(group)} | {by} |")
    print("\n".join(lines))
    barely = {f"sound moved by {step}" for step in BARELY}
    for title, left in (
        ("all faults", set()),
        ("without those of one frame", barely),
        ("without those, and languages", {*barely, OTHER_LANGUAGE}),
    ):
        group = [score for fault, scores in by_fault.items() if fault not in left for score in scores]
        print(f"{title}: flagged {share(sum(bool(checks_of(score)) for score in group), len(group))}")
    flagged_sound = [score for score in good if checks_of(score)]
    print(f"flawless dubs: flagged {share(len(flagged_sound), len(good))}")
    for score in flagged_sound:
        print(f"    {score.id}: {'; '.join(score.faults) or score.error}")
    print("\n| of flawless dubs | least | median | largest |\n|---|---|---|---|")
    for metric in METRICS:
        values = [value for score in good if (value := metric.value(score)) is not None]
        if values and metric.group != "work":
            least, middle, most = np.percentile(values, (0, 50, 100))
            print(f"| {metric.name} | {least:.3f} | {middle:.3f} | {most:.3f} |")
    (arguments.out / "sheet.json").write_text(
        json.dumps({score.id: [score.model, *checks_of(score)] for score in scores}, indent=1)
    )


if __name__ == "__main__":
    main(ARGUMENTS)
