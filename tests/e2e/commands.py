"""Run the real command line, and look at what it made."""

from __future__ import annotations

import hashlib
import sys

import pytest

from lipsync_ray.cli import app
from lipsync_ray.media import decode
from lipsync_ray.media.probe import probe_video

JOBS = ("dub", "demo", "enhance", "evaluate", "analyze", "train")


def lipsync_ray(*arguments: object, engine: str = "inline") -> int:
    """The exit status of ``lipsync-ray ARGUMENTS`` in this process; on the session's Ray where ``engine`` says so."""
    words = [str(argument) for argument in arguments]
    if words[0] in JOBS:
        words += ["--engine", engine]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["lipsync-ray", *words])
        with pytest.raises(SystemExit) as ended:
            app.main()
    return int(ended.value.code or 0)


def frame_digests(path: object) -> list[str]:
    """One digest for each decoded frame of a video."""
    info = probe_video(str(path))
    return [
        hashlib.md5(p.y.tobytes() + p.u.tobytes() + p.v.tobytes()).hexdigest()
        for p in decode.pictures(info, 0, info.frames)
    ]
