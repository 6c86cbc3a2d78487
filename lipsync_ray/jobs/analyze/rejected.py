"""What an analysis tells a dub: which files not to try."""

from __future__ import annotations

from lipsync_ray.jobs.analyze.analysis import IMPOSSIBLE, read_analyses


def read_rejected(url: str) -> dict[tuple[str, str], str]:
    """(identity of a file's content, use) → why it cannot be used so; a file that has changed since is not among them.

    A use is "video" or "audio": a slate without a face is no picture of a dub, but its sound may be its speech.

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
