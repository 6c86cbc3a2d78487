"""One good row beside every odd file of a folder: when it is done, against alone, and what became of the others.

    python benchmarks/odd_rows.py GOOD_VIDEO GOOD_AUDIO FOLDER [--engine ray] [--worst v_cat_back.ts …]

Every file of the folder becomes a row: a video or picture that says GOOD_AUDIO, a sound (its name begins with `a_`)
said by GOOD_VIDEO. Each `--worst` is tried in a table of two rows as well, in front of the good one.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path


def parsed() -> argparse.Namespace:
    """The command's arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video")
    parser.add_argument("audio")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--engine", default="ray")
    parser.add_argument("--worst", nargs="*", default=[])
    parser.add_argument("--patience", type=float, default=3600, help="seconds after which a run hangs")
    return parser.parse_args()


if __name__ == "__main__":
    ARGUMENTS = parsed()  # before imports that take seconds

from rich.console import Console
from rich.table import Table

from lipsync_ray.io.results import Result, read_results

Row = tuple[str, str, str]
NOT_MEDIA = {".txt", ".srt", ".csv", ".sh"}


def odd_rows(folder: Path, video: str, audio: str) -> list[Row]:
    """(id, video, audio) of each file."""
    return [
        (path.name, video, str(path)) if path.name.startswith("a_") else (path.name, str(path), audio)
        for path in sorted(folder.iterdir())
        if path.is_file() and path.suffix not in NOT_MEDIA
    ]


def dubbed(rows: list[Row], out: Path, engine: str, patience: float) -> tuple[float | None, float, list[Result]]:
    """(seconds until the good row's video was there, seconds of the whole run, results)."""
    table = out.with_suffix(".csv")
    with table.open("w", newline="") as file:
        csv.writer(file).writerows([("id", "video", "audio"), *rows])
    command = [sys.executable, "-m", "lipsync_ray", "dub", str(table), "-o", str(out), "--engine", engine]
    began = time.time()
    with out.with_suffix(".log").open("w") as log:
        subprocess.run([*command, "--model", "mini"], stdout=log, stderr=log, timeout=patience, check=False)
    seconds = time.time() - began
    good = out / "videos" / "good.mp4"
    return good.stat().st_mtime - began if good.exists() else None, seconds, list(read_results(str(out)))


def shown(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.0f} s"


def main(arguments: argparse.Namespace) -> None:
    odd = odd_rows(arguments.folder, arguments.video, arguments.audio)
    good = ("good", arguments.video, arguments.audio)
    table = Table("table", "rows", "the good row is done after", "the whole run took", "statuses")
    with tempfile.TemporaryDirectory() as scratch:
        trials = {"alone": [good], "first of all": [good, *odd], "last of all": [*odd, good]}
        trials |= {f"behind {row[0]}": [row, good] for row in odd if row[0] in arguments.worst}
        results: list[Result] = []
        for number, (name, rows) in enumerate(trials.items()):
            done, seconds, found = dubbed(rows, Path(scratch) / f"run-{number}", arguments.engine, arguments.patience)
            statuses = ", ".join(f"{count} {status}" for status, count in Counter(r.status for r in found).items())
            table.add_row(name, str(len(rows)), shown(done), shown(seconds), statuses)
            results = found if len(found) > len(results) else results
    console = Console(width=220)
    for result in results:
        console.print(
            f"{result.id}: {result.status}, {result.frames} frames; {result.error or '; '.join(result.warnings)}",
            highlight=False,
            markup=False,
        )
    console.print(table)


if __name__ == "__main__":
    main(ARGUMENTS)
