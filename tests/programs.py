"""FFmpeg's own programs, as an independent look at what was made."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest


def program(name: str) -> str:
    """Its path; the test is skipped where it is not installed."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"compares with {name}: apt-get install -y ffmpeg")
    return found


def ebur128(path: Path | str, track: int = 0) -> tuple[float, float]:
    """(integrated loudness in LUFS, true peak in dBTP) of an audio track, as FFmpeg's filter prints them."""
    words = ["-hide_banner", "-nostats", "-i", str(path), "-map", f"0:a:{track}", "-af", "ebur128=peak=true"]
    ran = subprocess.run([program("ffmpeg"), *words, "-f", "null", "-"], capture_output=True, text=True, check=True)
    summary = ran.stderr[ran.stderr.rindex("Summary:") :]
    numbers = (re.search(form, summary) for form in (r"I:\s+(-?[\d.]+|-inf) LUFS", r"Peak:\s+(-?[\d.]+|-inf) dBFS"))
    loudness, peak = (float(found[1]) for found in numbers if found)
    return loudness, peak


def streams(path: Path | str) -> list[dict]:
    """What ffprobe says of a file's streams."""
    words = ["-v", "error", "-show_streams", "-of", "json", str(path)]
    ran = subprocess.run([program("ffprobe"), *words], capture_output=True, text=True, check=True)
    found: list[dict] = json.loads(ran.stdout)["streams"]
    return found
