"""Reads from an analysis which files a dub should not try."""

from __future__ import annotations

from lipsync_ray.jobs.analyze.analysis import IMPOSSIBLE, read_analyses


def read_rejected(url: str) -> dict[tuple[str, str], str]:
    """(identity of a file's content, use) → why it is impossible; files that have changed since are not included.

    A use is "video" or "audio": a video without a face cannot be dubbed, but its sound may be the speech of a dub.

    Raises
    ------
    ManifestError : not the analysis.parquet of an analysis
    """
    found: dict[tuple[str, str], str] = {}
    for analysis in read_analyses(url):
        for use, verdict in (("video", analysis.video_verdict), ("audio", analysis.audio_verdict)):
            if analysis.identity and verdict is not None and verdict.startswith(IMPOSSIBLE):
                found[analysis.identity, use] = verdict.partition(": ")[2]
    return found
