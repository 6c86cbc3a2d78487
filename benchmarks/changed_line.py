"""What a changed line of a long video costs, with its other frames encoded once or copied from the source.

    uv run python benchmarks/changed_line.py OUT VIDEO SOUND SOUND …

A video of five minutes is made of VIDEO's packets again and again (H.264; its groups of pictures stay as they are) and dubbed
by ten lines of three seconds. Then the middle line gets another sound. Wall and CPU seconds of each run in this process, faces
and landmarks found before and not counted.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path
from typing import Any


def parsed() -> argparse.Namespace:
    """The command's arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder for the video, the lines and the runs")
    parser.add_argument("video", help="a person who is seen throughout")
    parser.add_argument(
        "sounds",
        nargs="+",
        help="of the lines, in turns, four seconds or more each; the last one is of the changed line alone",
    )
    parser.add_argument("--seconds", type=float, default=300.0, help="of the video, about")
    parser.add_argument("--lines", type=int, default=10)
    parser.add_argument("--model", default="warp")
    return parser.parse_args()


if __name__ == "__main__":
    ARGUMENTS = parsed()  # before imports that take seconds

import shutil
import time

import av

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
from material import repeated_video
from rich.console import Console
from rich.table import Table

from lipsync_ray import DubSettings, Workers, dub_table

LASTS_S = 3.0


def write_lines(folder: Path, seconds: float, count: int, sounds: list[str], changed: bool) -> None:
    """Lines at equal distances, and the table of their dub."""
    rows = []
    for number in range(count):
        start, turn = seconds * (number + 0.5) / count, number % max(1, len(sounds) - 1)
        sound = sounds[-1] if changed and number == count // 2 else sounds[turn]
        rows.append((start, start + LASTS_S, Path(sound).resolve(), 0.5, 0.5 + LASTS_S))
    with (folder / "lines.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("start", "end", "audio", "audio_start", "audio_end"), *rows])
    (folder / "table.csv").write_text("id,video,cues\nd,long.mp4,lines.csv\n")


def packets(path: str) -> dict[int, bytes]:
    """Presentation time → content of a file's packets."""
    with av.open(path) as container:
        return {packet.pts: bytes(packet) for packet in container.demux(video=0) if packet.dts is not None}


def dub(out: Path, folder: str, model: str, way: Any) -> Any:
    """The row of a dub."""
    settings, workers = DubSettings(model=model, untouched=way), Workers(engine="inline")
    return dub_table(
        str(out / "table.csv"), str(out / folder), settings=settings, workers=workers, progress=False
    ).results[0]


def main() -> None:
    arguments = ARGUMENTS
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    repeated_video(arguments.video, str(out / "long.mp4"), arguments.seconds)
    write_lines(out, arguments.seconds, arguments.lines, arguments.sounds, False)
    dub(out, "first", arguments.model, "encode")
    table = Table("way", "run", "wall s", "CPU s", "copied", "reused", "made", "same packets", "MB")
    for way in ("encode", "copy"):
        shutil.copytree(out / "first" / "faces", out / way / "faces")
        earlier: dict[int, bytes] = {}
        for run in ("whole", "changed line"):
            write_lines(out, arguments.seconds, arguments.lines, arguments.sounds, run == "changed line")
            begun = time.perf_counter(), time.process_time()
            row = dub(out, way, arguments.model, way)
            wall, cpu = time.perf_counter() - begun[0], time.process_time() - begun[1]
            now = packets(row.output)
            same = sum(now[at] == earlier.get(at) for at in now)
            earlier = now
            kept = str(same) if run == "changed line" else ""
            size = Path(row.output).stat().st_size / 1e6
            counts = map(str, (row.copied_frames, row.reused_frames, row.made_frames))
            table.add_row(way, run, f"{wall:.1f}", f"{cpu:.1f}", *counts, kept, f"{size:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
