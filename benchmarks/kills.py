"""Kill what a dub is made by, start it again, and compare every pixel with an undisturbed run.

    python benchmarks/kills.py VIDEO AUDIO [--widths 590 1080] [--seeds 10] [--precision fp32] [--patience 300]

For each width the video is scaled to it; a seed decides what is killed (the driver, a worker, the raylet, the GCS, by
SIGKILL; or the driver is asked to stop by SIGTERM or SIGINT) and after how many committed parts. The encoder has its
usual quality: lossless frames would hide what it does.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import psutil
import torch
from rich.console import Console
from rich.table import Table

from lipsync_ray.io.results import read_results
from lipsync_ray.media import decode
from lipsync_ray.media.probe import probe_video
from lipsync_ray.models.wav2lip import Wav2Lip

KINDS = ("driver", "worker", "raylet", "gcs", "SIGTERM", "SIGINT")


def scaled(source: str, width: int, target: Path) -> None:
    """The video at another width, H.264."""
    with av.open(source) as reading, av.open(str(target), "w") as writing:
        stream: Any = None
        for frame in reading.decode(video=0):
            height = round(frame.height * width / frame.width / 2) * 2
            if stream is None:
                stream = writing.add_stream("libx264", rate=Fraction(25), options={"crf": "16"})
                stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            small = frame.reformat(width, height, "yuv420p")
            small.pts = None
            writing.mux(stream.encode(small))
        writing.mux(stream.encode(None))


def digests(path: Path) -> list[str]:
    """Of each decoded frame."""
    info = probe_video(str(path))
    return [
        hashlib.md5(p.y.tobytes() + p.u.tobytes() + p.v.tobytes()).hexdigest()
        for p in decode.pictures(info, 0, info.frames)
    ]


def relatives(pid: int) -> Iterator[psutil.Process]:
    """The processes that a driver has started, and theirs."""
    try:
        yield from psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return


def victim(kind: str, pid: int, out: Path) -> int | None:
    """The process to kill."""
    if kind == "driver":
        return pid
    if kind == "worker":
        notes = sorted((out / "attempts").glob("*/*/*"))
        return int(json.loads(notes[0].read_text())["pid"]) if notes else None
    word = {"raylet": "raylet/raylet", "gcs": "gcs_server"}[kind]
    for process in relatives(pid):
        if any(word in part for part in process.cmdline()[:1]):
            return int(process.pid)
    return None


def run(command: list[str], log: Path, patience: float) -> tuple[int | None, float]:
    """(exit status or None where it hung, seconds)."""
    began = time.monotonic()
    with log.open("w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file)
        try:
            return process.wait(patience), time.monotonic() - began
        except subprocess.TimeoutExpired:
            process.kill()
            return None, patience


def disturbed(
    command: list[str], out: Path, kind: str, parts: int, log: Path, patience: float
) -> tuple[int | None, str]:
    """(exit status, what it printed at the end) of a run that is killed when so many parts are committed."""
    with log.open("w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file)
        deadline = time.monotonic() + patience
        while process.poll() is None and time.monotonic() < deadline:
            if len(list((out / "parts").glob("*/*.mp4"))) >= parts:
                if kind in ("SIGTERM", "SIGINT"):
                    process.send_signal(getattr(signal, kind))
                    break
                target = victim(kind, process.pid, out)
                if target is not None:
                    os.kill(target, signal.SIGKILL)
                    break
            time.sleep(0.02)
        try:
            status = process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            return None, "hung"
    time.sleep(6)  # its last words come from another process; Ray's processes end with their driver
    lines = [line for line in log.read_text().splitlines() if line.strip()]
    said = [line for line in lines if line.startswith(("error", "stopped"))]
    return status, (said or lines or [""])[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video")
    parser.add_argument("audio")
    parser.add_argument("--widths", type=int, nargs="+", default=[590, 1080])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--patience", type=float, default=300, help="seconds after which a run hangs")
    arguments = parser.parse_args()
    table = Table()
    for name in (
        "width",
        "seed",
        "killed",
        "after parts",
        "exit",
        "it said",
        "again",
        "parts kept",
        "lost",
        "pixels differ",
    ):
        table.add_column(name, overflow="fold")
    hangs = lost = different = 0
    console = Console(width=200)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        torch.manual_seed(0)
        torch.save(Wav2Lip().state_dict(), folder / "random.pth")  # slow enough to be caught at work
        for width in arguments.widths:
            scaled(arguments.video, width, folder / f"{width}.mp4")
            (folder / f"{width}.csv").write_text(f"id,video,audio\nd,{folder / f'{width}.mp4'},{arguments.audio}\n")
            base = [
                sys.executable,
                "-m",
                "lipsync_ray",
                "dub",
                str(folder / f"{width}.csv"),
                "--engine",
                "ray",
                "--segment",
                "1",
            ]
            base += ["--model", str(folder / "random.pth"), "--precision", arguments.precision]
            whole = folder / f"whole-{width}"
            status, seconds = run([*base, "-o", str(whole)], folder / "log", arguments.patience)
            assert status == 0, (folder / "log").read_text()
            right = digests(whole / "videos" / "d.mp4")
            (result,) = read_results(str(whole))
            console.print(f"{width}: {len(right)} frames in {result.segments} parts, {seconds:.0f} s undisturbed")
            for seed in range(arguments.seeds):
                kind = KINDS[seed % len(KINDS)]
                parts = random.Random(seed).randint(1, max(1, (result.segments or 2) - 3))
                out = folder / f"{width}-{seed}"
                command = [*base, "-o", str(out)]
                first, said = disturbed(command, out, kind, parts, folder / "log", arguments.patience)
                kept = len(list((out / "parts").glob("*/*.mp4")))
                again, _ = (first, 0.0) if first == 0 else run(command, folder / "log", arguments.patience)
                hung = first is None or again is None
                made = out / "videos" / "d.mp4"
                found = digests(made) if made.exists() else []
                gone = max(0, len(right) - len(found)) if again == 0 else len(right)
                other = sum(a != b for a, b in zip(right, found, strict=False))
                hangs, lost, different = hangs + hung, lost + gone, different + other
                table.add_row(*map(str, (width, seed, kind, parts, first, said[:90], again, kept, gone, other)))
                console.print(
                    f"{width} seed {seed} {kind}: {first}, {again}, lost {gone}, differ {other}", highlight=False
                )
    console.print(table)
    console.print(f"hangs {hangs}, frames lost {lost}, frames whose pixels differ {different}")


if __name__ == "__main__":
    main()
