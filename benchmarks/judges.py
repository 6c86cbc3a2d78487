"""What the judges say of each bundled model, and of its controls.

    uv run python benchmarks/judges.py OUT VIDEO [VIDEO …] -- AUDIO [AUDIO …]

Every video is dubbed with every sound by `warp`, by `mini` with both references, and by `warp` whose networks hear nothing;
each run is evaluated with `mini-sync`, which `mini` was trained against. The last two rows are the controls: the undubbed
source with the new sounds, and the real videos with their own.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path


def parsed() -> argparse.Namespace:
    """The command's arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder for the dubs and their scores")
    parser.add_argument(
        "videos", nargs="+", metavar="VIDEO", help="each is dubbed with each AUDIO behind the two dashes"
    )
    words = sys.argv[1:]
    cut = words.index("--") if "--" in words else len(words)
    arguments = parser.parse_args(words[:cut])
    arguments.sounds = words[cut + 1 :]
    if not arguments.sounds:
        parser.error("expected OUT VIDEO … -- AUDIO …")
    return arguments


if __name__ == "__main__":
    ARGUMENTS = parsed()  # before imports that take seconds

import numpy as np
from safetensors.torch import load_file, save_file

import lipsync_ray
from lipsync_ray.jobs.evaluate.scores import SCORES, Score
from lipsync_ray.models.weights import by_name
from lipsync_ray.settings import Reference

COLUMNS = (
    "openness_corr",
    "openness_corr_other",
    "sync_cosine",
    "sync_cosine_other",
    "leak",
    "lip_motion",
    "silent_lips",
    "sharpness_ratio",
    "mini_sync_c",
)
JUDGES = ("openness_corr", "sync_cosine")
WHAT = ("own before another", "lag ≤ 1")
TITLES = (
    "openness_corr",
    "another sound",
    "agree",
    "another sound",
    "leak",
    "lip motion",
    "silent lips",
    "sharpness",
    "mini-sync confidence",
)


def deaf(path: Path) -> Path:
    """The weights of `warp`, whose last layers say nothing, without networks for closures."""
    state = {n: entry for n, entry in load_file(by_name("warp").here()).items() if not n.startswith("closures.")}
    for name in state:
        if name.startswith("networks.") and ".fc.4." in name:
            state[name] = state[name] * 0
    save_file(state, path)
    return path


def scored(table: Path, out: Path, model: str, reference: Reference | None, closes: bool | None) -> list[Score]:
    workers = lipsync_ray.Workers(engine="inline")
    settings = lipsync_ray.DubSettings(model=model, length="shortest", reference=reference, close_in_silence=closes)
    lipsync_ray.dub_table(table, out / "dubs", settings=settings, workers=workers)
    evaluated = lipsync_ray.evaluate(
        out / "dubs",
        out / "scores",
        settings=lipsync_ray.EvaluateSettings(scorer="mini-sync", fid="none"),
        workers=workers,
        previews=0,
    )
    return SCORES.read_table(evaluated.out)


def mean(values: list[float | None]) -> str:
    there = [value for value in values if value is not None and np.isfinite(value)]
    return f"{np.mean(there):.3f}" if there else "–"


def preferences(scores: list[Score], judge: str) -> list[str]:
    """How often a judge prefers a dub's own sound to another one, and finds it best within a frame of where it is."""
    judged = [s for s in scores if getattr(s, judge) is not None and getattr(s, f"{judge}_other") is not None]
    if not judged:
        return ["–"] * len(WHAT)
    first = sum(getattr(s, judge) > getattr(s, f"{judge}_other") for s in judged)
    near = sum(abs(getattr(s, f"{judge}_lag")) <= 1 for s in judged)
    return [f"{first} of {len(judged)}", f"{near} of {len(judged)}"]


def main(arguments: argparse.Namespace) -> None:
    folder: Path = arguments.out
    folder.mkdir(parents=True, exist_ok=True)
    table = folder / "table.csv"
    with table.open("w", newline="") as file:
        pairs = [(str(Path(v).absolute()), str(Path(a).absolute())) for v in arguments.videos for a in arguments.sounds]
        csv.writer(file).writerows([("video", "audio"), *pairs])
    silent = str(deaf(folder / "deaf.safetensors"))
    variants: dict[str, tuple[str, Reference | None, bool | None]] = {
        "`warp`": ("warp", None, None),
        "`mini`, mouth closed": ("mini", "closed", None),
        "`mini`, current frame": ("mini", "current", None),
        "`warp`, deaf": (silent, None, False),
    }
    lines = [
        f"| {len(pairs)} dubs | "
        + " | ".join((*TITLES, *(f"{judge}: {what}" for judge in JUDGES for what in WHAT)))
        + " |"
    ]
    lines.append("|" + "---|" * lines[0].count(" | ") + "---|")
    scores: list[Score] = []
    for number, (name, asked) in enumerate(variants.items()):
        scores = scored(table, folder / str(number + 2), *asked)
        cells = [mean([getattr(score, column) for score in scores]) for column in COLUMNS]
        cells += [cell for judge in JUDGES for cell in preferences(scores, judge)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    for name, suffix in (("undubbed source, new sound", "undubbed"), ("real video, own sound, best lag", "real")):
        means = {f"{judge}": mean([getattr(score, f"{judge}_{suffix}") for score in scores]) for judge in JUDGES}
        lines.append(
            f"| {name} | {' | '.join(means.get(column, '') for column in COLUMNS)} |" + " |" * (len(JUDGES) * len(WHAT))
        )
    lines.append("")
    lines.append(f"Lips in silence, real videos: {mean([score.silent_lips_reference for score in scores])}")
    print("\n".join(lines))


if __name__ == "__main__":
    main(ARGUMENTS)
