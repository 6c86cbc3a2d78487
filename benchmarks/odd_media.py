"""Dub every odd file with each bundled model and engine, and read back which source frame each output frame shows.

    PATH=VENV/bin:$PATH python benchmarks/odd_media.py media.sh wild.sh CORPUS WORK [--models warp mini] [--engines inline ray]

The scripts build the inputs (`wild.sh CORPUS OUT`, `media.sh OUT`; their python3 needs numpy and Pillow). Odd videos and
pictures speak a good sound a little longer than they are, odd sounds are said by a good video, some videos keep their own
sound. What is right comes from FFmpeg's tools, numpy and Pillow alone: output frame k shows the last source frame whose
time, rounded to the grid of the stream's rate, is at most k; behind the end the video plays backwards. Videos without
drawn numbers are compared by their borders, where no lips are. Two engines must give the same encoded pictures.

Dubs that an earlier start left in WORK are kept, as the product keeps them: give a new one for another version of it.
WORK/odd-media.md and .csv say what became of each; the exit status is 1 where something is wrong.
"""

from __future__ import annotations

import argparse
import csv
import os
import re
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any


def parsed() -> argparse.Namespace:
    """The command's arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("media", type=Path, help="media.sh")
    parser.add_argument("wild", type=Path, help="wild.sh")
    parser.add_argument("corpus", type=Path)
    parser.add_argument("work", type=Path, help="folder of inputs, dubs and tables")
    parser.add_argument("--models", nargs="+", default=["warp", "mini"], help="those that need no download")
    parser.add_argument("--engines", nargs="+", default=["inline", "ray"], choices=["inline", "ray"])
    parser.add_argument("--only", default="", help="regular expression on rows: media-v_, wild-, names-, own-")
    parser.add_argument("--loop", default="pingpong", choices=["pingpong", "restart", "freeze"])
    parser.add_argument("--segment", default="1", help="seconds; more than one segment of each dub is made")
    parser.add_argument("--longest", type=float, default=7, help="seconds of the good sound, at most")
    parser.add_argument("--crf", default="12")
    parser.add_argument("--patience", type=float, default=3600, help="seconds after which a run hangs")
    return parser.parse_args()


if __name__ == "__main__":
    ARGUMENTS = parsed()  # before imports that take seconds

import odd_players as players
import pyarrow.parquet as pq
from odd_verdicts import COUNTED, JOINED, REFUSED, Outcome, Row, is_still, judge, places_of, source_of

PARTS = re.compile(  # what the scripts leave that is only a part of another input, or needs minutes (l_300s.wav)
    r"base\.mkv|t[234]?\.mp4|small2?\.\w+|ok\w*\.\w+|v_resize_a.h264|[sr][12]\.(ts|aac)|t[jp]2?\.\w+|long\.mp4|s\.png"
    r"|l_300s\.wav|t_.*\.csv|sub\.srt|chap\.txt|q\.mp3|v2\.mp3|pic\.png|es5\.wav"
)
OWN_SOUND = (
    *("v_videolate.mp4", "v_videolate.mkv", "v_audiolate.mp4", "n_click.ts", "n_click.flv", "v_editlist.mp4"),
    *("v_cat_restart.ts", "v_cat_back.ts", "v_wrap.ts", "v_c.mxf"),
)
FACELESS = {  # inputs without a face that a detector finds: lying, upside down, none
    *("n_exif3.jpg", "n_exif6.jpg", "n_exif8.jpg", "v_rot90.mp4"),
}
HANGS = 124  # exit status of a run that was ended for that
ALONE = 12  # rows tried one by one after a death, behind the likely ones, before the rest is a table again
CRASHED = re.compile(r"process|SIG|crash|signal", re.IGNORECASE)
TALK_S = 3  # where the good sound is cut from en.wav
REAL_SIZE = 300  # bytes of the smallest file that is looked at in full


def build(arguments: argparse.Namespace) -> list[Row]:
    """All inputs and the rows that dub them."""
    work: Path = arguments.work
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    media, wild, talk = work / "media", work / "wild", work / "talk"
    if not (work / "built").exists():
        for command in ([arguments.media, media], [arguments.wild, arguments.corpus, wild]):
            subprocess.run(["bash", *map(str, command)], env=environment, check=False, capture_output=True)
        (work / "built").touch()
    talk.mkdir(exist_ok=True)
    speech = arguments.corpus / "audio" / "en.wav"
    rows = []
    for folder in (media, wild, media / "names"):
        for path in sorted(folder.iterdir()):
            if path.is_file() and not PARTS.fullmatch(path.name) and not path.name.startswith("click."):
                rows += rows_of(path, folder.name, media / "base.mp4", speech, talk, arguments)
    rows += [Row(f"own-{name}", media / name, media / name, media / name) for name in OWN_SOUND]
    return [row for row in rows if re.search(arguments.only, row.id)]


def rows_of(path: Path, group: str, video: Path, speech: Path, talk: Path, arguments: argparse.Namespace) -> list[Row]:
    name = re.sub(r"[^\w.-]", "_", path.name).strip("-.")
    unlike = f"{sum(path.name.encode())}-" if group == "names" else ""
    name = f"{group}-{unlike}{name}"
    if not re.search(arguments.only, name):
        return []
    kinds = players.streams(path)
    if "video" in kinds or not (kinds or re.match(r"[as]_.*\.(wav|mp3|oga|aac|m4a)", path.name)):
        seconds = min(length_of(path, kinds), Fraction(arguments.longest)) if group != "names" else Fraction(3, 5)
        sound = talk / f"{float(seconds):.1f}.wav"
        if not sound.exists():
            cut = ["-ss", str(TALK_S), "-t", str(float(seconds)), "-i", str(speech), "-ac", "1", "-ar", "16000"]
            subprocess.run(["ffmpeg", "-nostdin", "-y", "-v", "error", *cut, str(sound)], check=True)
        return [Row(name, path, sound, path)]
    return [Row(name, video, path, path)]


def length_of(path: Path, kinds: dict[str, dict[str, Any]]) -> Fraction:
    """Seconds of sound for a video: its own length and a little more, to fifths."""
    look = source_of(path) if path.stat().st_size > REAL_SIZE and "video" in kinds else None
    if look is None or is_still(path, look):
        return Fraction(3, 5)
    span = places_of(path, look, look.rate or Fraction(25))[1] / (look.rate or 25)
    return Fraction(ceil(span * 5) + 1, 5)


@dataclass(frozen=True)
class Run:
    """How rows are dubbed."""

    model: str
    engine: str
    options: tuple[str, ...]
    patience: float

    @property
    def name(self) -> str:
        return f"{self.model}-{self.engine}"

    def dub(self, rows: list[Row], out: Path) -> tuple[int, dict[str, dict[str, Any]]]:
        """(exit status, results by id, of those that were written)."""
        out.parent.mkdir(parents=True, exist_ok=True)
        table = out.with_name(out.name + ".csv")
        with table.open("w", newline="") as file:
            csv.writer(file).writerows([("id", "video", "audio"), *((r.id, r.video, r.audio) for r in rows)])
        command = [sys.executable, "-m", "lipsync_ray", "dub", str(table), "-o", str(out), "--model", self.model]
        command += ["--engine", self.engine, *(["--actors", "1"] if self.engine == "ray" else []), *self.options]
        environment = {**os.environ, "RAY_AUTH_MODE": "disabled"}
        with out.with_name(out.name + ".log").open("w") as log:
            try:
                ran = subprocess.run(
                    command, stdout=log, stderr=log, env=environment, timeout=self.patience, check=False
                )
                status = ran.returncode
            except subprocess.TimeoutExpired:
                status = HANGS
        results = out / "results.parquet"
        found = pq.read_table(results).to_pylist() if results.exists() else []
        return status, {row["id"]: row for row in found}

    def all(self, rows: list[Row], out: Path) -> dict[str, tuple[dict[str, Any], Path] | str]:
        """Result and folder of each row, or how its process ended; after a death its rows are tried one by one."""
        ended: dict[str, tuple[dict[str, Any], Path] | str] = {}
        left, part = rows, 0
        while left:
            folder = out / f"part-{part}"
            status, results = self.dub(left, folder)
            ended |= {name: (result, folder) for name, result in results.items()}
            if status in (0, 1, 2):
                said = (folder.parent / f"{folder.name}.log").read_text(errors="replace")[-300:]
                ended |= {row.id: f"no result, exit {status}: {said}" for row in left if row.id not in ended}
                break
            print(f"{self.name}: the table's process ended with {status}; row by row now", flush=True)
            done = {path.stem for path in (folder / "videos").glob("*.mp4")}
            ended |= {row.id: ({"id": row.id, "status": "done"}, folder) for row in left if row.id in done}
            left = [row for row in left if row.id not in ended]
            likely = [row for row in left if row.odd.name in COUNTED | JOINED]
            for row in likely or left[:ALONE]:
                status, results = self.dub([row], out / "alone" / row.id)
                left.remove(row)
                if row.id in results:
                    ended[row.id] = results[row.id], out / "alone" / row.id
                    continue
                ended[row.id] = f"its process ended with {status}"
                print(f"{self.name}: {row.id}: {ended[row.id]}", flush=True)
                if not likely:
                    break
            part += 1
        return ended


def outcome_of(row: Row, ended: tuple[dict[str, Any], Path] | str, loop: str) -> Outcome:
    if isinstance(ended, str):
        return Outcome("crash" if "ended with" in ended else "wrong", ended, faults=[ended])
    result, folder = ended
    if result["status"] == "done":
        return judge(row, result, folder / "videos" / f"{row.id}.mp4", loop)
    reason = " ".join(str(result.get("error") or "").split())
    warnings = tuple(result.get("warnings") or ())
    if CRASHED.search(reason):
        return Outcome("crash", reason, warnings, [reason])
    outcome = Outcome("refused" if result["status"] == "failed" else "no_face", reason, warnings)
    word = REFUSED.get(row.odd.name)
    if result["status"] == "failed" and (not word or not re.search(word, reason)):
        outcome.faults = [f"not to be refused: {reason}" if not word else f"a strange reason: {reason}"]
    elif result["status"] == "no_face" and row.odd.name not in FACELESS:
        outcome.faults = ["a face is in it"]
    return outcome


def between(outcomes: dict[str, dict[str, Outcome]]) -> None:
    """Add what differs between runs of one row."""
    for runs in outcomes.values():
        for name, outcome in runs.items():
            model, engine = name.rsplit("-", 1)
            other = runs.get(f"{model}-inline")
            if engine == "ray" and other and other.result != "crash" and outcome.result != "crash":
                if (other.packed, other.result) != (outcome.packed, outcome.result):
                    outcome.faults.append("not the same pictures as inline")
                if sorted(other.warnings) != sorted(outcome.warnings) and other.warnings and outcome.warnings:
                    outcome.faults.append(
                        f"not the warnings of inline: {list(other.warnings)}, {list(outcome.warnings)}"
                    )


def report(outcomes: dict[str, dict[str, Outcome]], runs: list[Run], seconds: dict[str, float], work: Path) -> int:
    """Write the tables; the number of faults."""
    faults = sum(bool(o.faults) for found in outcomes.values() for o in found.values())
    names = [run.name for run in runs if run.name in seconds]
    lines = ["| file | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    details = ["", "## What is wrong", ""]
    with (work / "odd-media.csv").open("w", newline="") as file:
        sheet = csv.writer(file)
        sheet.writerow(("row", "model", "engine", "result", "wrong", "detail", "warnings"))
        for row, found in outcomes.items():
            cells = [
                found[name].result + ("" if not found[name].faults else " ✗") if name in found else "" for name in names
            ]
            lines.append(f"| {row} | " + " | ".join(cells) + " |")
            for name, o in found.items():
                sheet.writerow(
                    (row, *name.rsplit("-", 1), o.result, "; ".join(o.faults), o.detail, "; ".join(o.warnings))
                )
                details += [f"* {row}, {name}: {'; '.join(o.faults)}"] if o.faults else []
    took = ", ".join(f"{name} {value:.0f} s" for name, value in seconds.items())
    counts = Counter(o.result for found in outcomes.values() for o in found.values())
    details += ["", f"{faults} of {counts.total()} wrong; {dict(counts)}; {took}"]
    (work / "odd-media.md").write_text("\n".join(lines + details) + "\n")
    print("\n".join(lines + details))
    return faults


def main(arguments: argparse.Namespace) -> None:
    arguments.work = arguments.work.resolve()
    arguments.corpus = arguments.corpus.resolve()
    arguments.work.mkdir(parents=True, exist_ok=True)
    rows = build(arguments)
    print(f"{len(rows)} rows", flush=True)
    options = ("--crf", arguments.crf, "--loop", arguments.loop, "--segment", arguments.segment)
    runs = [
        Run(model, engine, options, arguments.patience) for model in arguments.models for engine in arguments.engines
    ]
    outcomes: dict[str, dict[str, Outcome]] = {row.id: {} for row in rows}
    seconds: dict[str, float] = {}
    for run in runs:
        began = time.monotonic()
        ended = run.all(rows, arguments.work / "runs" / run.name)
        seconds[run.name] = time.monotonic() - began
        for row in rows:
            outcomes[row.id][run.name] = outcome_of(row, ended[row.id], arguments.loop)
        print(f"{run.name}: {seconds[run.name]:.0f} s", flush=True)
    between(outcomes)
    sys.exit(1 if report(outcomes, runs, seconds, arguments.work) else 0)


if __name__ == "__main__":
    main(ARGUMENTS)
