"""Whether lips close where a person's lips close: at bilabial onsets, at other ones, and briefly in between.

    uv run python benchmarks/closures.py GRID OUT [--model warp] [--clips 100]

GRID is a folder of clips with words.csv (clip, start_s, end_s, word), as of the GRID corpus. Every fifth clip, which `warp`
was not taught, is dubbed with its own sound, with another clip's, and with its own by networks that hear nothing. Lips are
closed when the face mesh finds a gap below 0.02 eye distances.
"""

from __future__ import annotations

import argparse
from pathlib import Path


def parsed() -> argparse.Namespace:
    """The command's arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("grid", type=Path, metavar="GRID", help="folder of clips, with words.csv")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder for the dubs; an interrupted run continues")
    parser.add_argument("--model", default="warp", help="warp, or a checkpoint (default: %(default)s)")
    parser.add_argument("--clips", type=int, default=100, help="at most so many (default: %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    ARGUMENTS = parsed()  # before imports that take seconds

import csv
from collections import defaultdict

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

import lipsync_ray
from lipsync_ray.faces.mesh import gap_of
from lipsync_ray.io import storage
from lipsync_ray.jobs.train.clip_features import ClipFeatures, ExtractClipFeatures, fill_gaps
from lipsync_ray.jobs.train.clips import Clip, ClipOrder
from lipsync_ray.metrics.closures import NEAR_S, SHORT_S, auc, least_gaps, shared_closures
from lipsync_ray.models.closures import CLOSED
from lipsync_ray.models.weights import by_name, find

F64 = NDArray[np.float64]
RATE = 25
BILABIAL = ("bin", "blue", "by", "place", "please", "b", "p")
UNSPOKEN = ("sil", "sp")
TITLES = ("closed at bilabial onsets", "at other onsets", "AUC", "short closures kept", "right")


def onsets_in(table: Path) -> dict[str, tuple[list[int], list[int]]]:
    """Clip → frames of its bilabial onsets, and of other ones."""
    found: dict[str, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    with table.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["word"] not in UNSPOKEN:
                found[row["clip"]][row["word"] not in BILABIAL].append(round(float(row["start_s"]) * RATE))
    return found


def deaf(model: str, path: Path) -> str:
    """Weights of the model whose networks predict the mean pose, and no closure."""
    state = load_file(by_name(model).here() if find(model) else model)
    heard = {name: entry for name, entry in state.items() if not name.startswith("closures.")}
    save_file({n: e * 0 if n.startswith("networks.") and ".fc.4." in n else e for n, e in heard.items()}, path)
    return str(path)


class Gaps:
    """Gaps of the lips in every frame of a video, in eye distances, found once."""

    def __init__(self, folder: Path) -> None:
        self._look, self._folder = ExtractClipFeatures("cpu"), folder

    def __call__(self, name: str, video: str) -> F64:
        url = str(self._folder / f"{name}.npz")
        if not storage.exists(url):
            self._look(ClipOrder(name, Clip(name, video), "", url))
        lips = ClipFeatures.from_bytes(storage.read_bytes(url)).lips.astype(np.float64)
        return gap_of(lips[fill_gaps(~np.isnan(lips[:, 0, 0]))])


def dubbed(pairs: list[tuple[Path, Path]], model: str, close: bool | None, folder: Path, look: Gaps) -> dict[str, F64]:
    """Clip → gaps of its dub."""
    folder.mkdir(parents=True, exist_ok=True)
    table = folder / "table.csv"
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([("id", "video", "audio"), *((v.stem, v, a) for v, a in pairs)])
    settings = lipsync_ray.DubSettings(model=model, length="shortest", close_in_silence=close)
    run = lipsync_ray.dub_table(table, folder / "run", settings=settings, workers=lipsync_ray.Workers(engine="inline"))
    found = {}
    for result in run.results:
        assert result.output is not None, result.error
        found[result.id] = look(f"{folder.name}-{result.id}-{result.fingerprint}", result.output)
    return found


def row(
    name: str,
    gaps: dict[str, F64],
    onsets: dict[str, tuple[list[int], list[int]]],
    heard: dict[str, str],
    real: dict[str, F64] | None,
) -> str:
    """A line of the table; `heard` names the clip whose words a clip says."""
    near, short = round(NEAR_S * RATE), round(SHORT_S * RATE)
    at: tuple[list[F64], list[F64]] = ([], [])
    kept, right = np.zeros(2, int), np.zeros(2, int)
    for clip, own in gaps.items():
        for least, frames in zip(at, onsets[heard[clip]], strict=True):
            least.append(least_gaps(own, [frame for frame in frames if frame < len(own)], near))
        if real is not None:
            count = min(len(own), len(real[heard[clip]]))
            closed, wanted = own[:count] < CLOSED, real[heard[clip]][:count] < CLOSED
            kept += shared_closures(wanted, closed, short)
            right += shared_closures(closed, wanted, short)
    bilabial, other = (np.concatenate(least) for least in at)
    cells = [f"{(bilabial < CLOSED).mean():.3f}", f"{(other < CLOSED).mean():.3f}", f"{auc(-bilabial, -other):.3f}"]
    cells += ["", ""] if real is None else [f"{part} of {of} = {part / max(1, of):.2f}" for part, of in (kept, right)]
    return f"| {name} | {' | '.join(cells)} |"


def main(arguments: argparse.Namespace) -> None:
    out: Path = arguments.out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    clips = sorted(arguments.grid.absolute().glob("*.mp4"))[::5]
    clips = [clips[at] for at in np.linspace(0, len(clips) - 1, min(len(clips), arguments.clips)).astype(int).tolist()]
    half = len(clips) // 2
    others = clips[half:] + clips[:half]
    onsets, look = onsets_in(arguments.grid / "words.csv"), Gaps(out / "looks")
    real = {clip.stem: look(clip.stem, str(clip)) for clip in clips}
    own = {clip.stem: clip.stem for clip in clips}
    other = {clip.stem: another.stem for clip, another in zip(clips, others, strict=True)}
    count = sum(len(onsets[clip][0]) for clip in own)
    print(f"| {len(clips)} clips, {count} bilabial onsets | {' | '.join(TITLES)} |\n|---|{'---|' * len(TITLES)}")
    print(row("real", real, onsets, own, None))
    pairs = list(zip(clips, clips, strict=True))
    dubs = dubbed(pairs, arguments.model, None, out / "own", look)
    print(row("own sound", dubs, onsets, own, real))
    # Lips follow another sound: what they do at the words of the clip is chance.
    swapped = dubbed(list(zip(clips, others, strict=True)), arguments.model, None, out / "other", look)
    print(row("another sound, by its words", swapped, onsets, other, real))
    print(row("another sound, by the clip's words", swapped, onsets, own, real))
    still = dubbed(pairs, deaf(arguments.model, out / "deaf.safetensors"), False, out / "deaf", look)
    print(row("hears nothing", still, onsets, own, real))


if __name__ == "__main__":
    main(ARGUMENTS)
