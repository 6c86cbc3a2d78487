"""Whether a scorer finds a known shift between picture and sound.

    uv run python benchmarks/shift.py VIDEO… [--scorer mini-sync] [--shifts -8 -3 0 4 10]

Every video's sound is moved by so many frames of 40 ms, and the evaluation job scores all of them. Prints, per video,
the offset found for each shift, and the share found to within one frame of the true one, relative to the offset of the
untouched video (which is printed: a recording need not be in sync). What is not scored is printed with its reason.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from collections import defaultdict
from pathlib import Path


def parsed() -> argparse.Namespace:
    """The command's arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="+")
    parser.add_argument("--scorer", default="mini-sync")
    parser.add_argument("--shifts", type=int, nargs="+", default=[-8, -3, 0, 4, 10])
    parser.add_argument("--min-track", type=int, default=50)
    parser.add_argument("--out", help="keep the evaluation and its report here")
    return parser.parse_args()


if __name__ == "__main__":
    ARGUMENTS = parsed()  # before imports that take seconds

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
from material import shift_sound
from rich.console import Console
from rich.table import Table


def name_of(video: str, shift: int) -> str:
    """The id of a video whose sound was moved."""
    return f"{Path(video).stem}_{'early' if shift < 0 else 'late'}{abs(shift)}"


def main(arguments: argparse.Namespace) -> None:

    from lipsync_ray.jobs.evaluate.evaluation_input import read_inputs
    from lipsync_ray.jobs.evaluate.job import run
    from lipsync_ray.jobs.evaluate.scores import Score
    from lipsync_ray.report.page import write_report
    from lipsync_ray.settings import EvaluateSettings, Workers

    console = Console(width=120)
    shifts = sorted({*arguments.shifts, 0})
    with tempfile.TemporaryDirectory() as scratch:
        out = arguments.out or f"{scratch}/out"
        rows = []
        for video in arguments.videos:
            for shift in shifts:
                moved = Path(scratch) / f"{name_of(video, shift)}.mkv"
                shift_sound(video, shift, str(moved))
                rows.append((name_of(video, shift), moved, Path(video).stem))
        table_path = Path(scratch) / "table.csv"
        with table_path.open("w", newline="") as file:
            csv.writer(file).writerows([("id", "video", "model"), *rows])
        settings = EvaluateSettings(scorer=arguments.scorer, fid="none", min_track=arguments.min_track)
        evaluated = run(read_inputs(str(table_path), "largest"), settings, Workers(), out, console)
        write_report([evaluated.out], evaluated.out)
    found: dict[str, dict[int, Score]] = defaultdict(dict)
    for video in arguments.videos:
        for shift in shifts:
            found[Path(video).stem][shift] = next(s for s in evaluated.scores if s.id == name_of(video, shift))
    table = Table(title=f"{arguments.scorer}: offset found, by the shift of the sound")
    for name in ("video", "frames", *(f"{shift:+d}" for shift in shifts), "within 1", "confidence at 0"):
        table.add_column(name, justify="left" if name == "video" else "right")
    right = total = 0
    for name, own in sorted(found.items()):
        base = own[0].offset
        if base is None:
            table.add_row(name, "", *([""] * len(shifts)), "", own[0].error or "")
            continue
        good = [abs((s.offset if s.offset is not None else 99) - base + shift) <= 1 for shift, s in own.items()]
        right, total = right + sum(good), total + len(good)
        cells = [str(own[shift].offset) for shift in shifts]
        table.add_row(name, str(own[0].frames), *cells, f"{sum(good)}/{len(good)}", f"{own[0].sync_c:.3f}")
    console.print(table)
    console.print(f"{right} of {total} found to within one frame", highlight=False)


if __name__ == "__main__":
    main(ARGUMENTS)
