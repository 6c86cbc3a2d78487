"""One long video on more and more cores: seconds, CPU seconds, and whether the bytes are the same.

    python benchmarks/one_video.py VIDEO AUDIO [--cores 1,2,4] [--model warp] [--engine inline]

Each run is `lipsync-ray dub VIDEO AUDIO -o OUT.mp4`, kept to so many cores by its affinity. A video of a minute shows the
slope; start and join are part of every run.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video")
    parser.add_argument("audio")
    parser.add_argument(
        "--cores", default="1,2", help="numbers of cores, the first of which the others are compared with"
    )
    parser.add_argument("--model", default="warp")
    parser.add_argument("--engine", default="inline")
    asked = parser.parse_args()
    there = sorted(os.sched_getaffinity(0))
    first = 0.0
    print("| cores | s | CPU s | times as fast | sha256 |\n|---|---|---|---|---|")
    for count in map(int, asked.cores.split(",")):
        if count > len(there):
            sys.exit(f"--cores {count}: {len(there)} may be used here")
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "out.mp4"
            words = [sys.executable, "-m", "lipsync_ray", "dub", asked.video, asked.audio, "-o", str(out)]
            words += ["--model", asked.model, "--engine", asked.engine]
            before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
            cores = there[:count]
            subprocess.run(["taskset", "-c", ",".join(map(str, cores)), *words], check=True, stdout=subprocess.DEVNULL)
            took, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            digest = hashlib.sha256(out.read_bytes()).hexdigest()[:12]
        first = first or took
        print(f"| {count} | {took:.1f} | {cpu:.1f} | {first / took:.2f} | {digest} |", flush=True)


if __name__ == "__main__":
    main()
