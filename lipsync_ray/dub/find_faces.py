"""Pass 1: a face table for every distinct video, and who speaks in it."""

from __future__ import annotations

from lipsync_ray.dub.run import DubState, Run
from lipsync_ray.engine.rows import Failure
from lipsync_ray.engine.tasks import each
from lipsync_ray.sources.find import find_tables
from lipsync_ray.sources.tables import Choice, choose_speaker


def find_faces(run: Run) -> None:
    """Give every distinct video a face table, and find who speaks in it."""
    by_video = run.by("video_key")
    videos = {key: dubs[0].info for key, dubs in by_video.items() if dubs[0].info is not None}
    tables = find_tables(run.crew, videos, run.url("faces"), f"{len(run.rows)} dubs")
    for key, found in tables.items():
        run.detected_videos += found.fresh
        for dub in by_video[key]:
            dub.table = found.url
            dub.attempts = max(dub.attempts, found.attempts)
            if found.failure:
                run.fail(dub, found.failure)
    _choose(run, run.by("video_key"))


def _choose(run: Run, by_video: dict[str, list[DubState]]) -> None:
    choices = []
    for key, dubs in by_video.items():
        info = dubs[0].info
        assert info is not None
        choices.append(Choice(key, dubs[0].table, run.settings.face, info.width, info.height))
    for choice, speaker in each("choose", choose_speaker, choices, run.crew.tasks_limit):
        for dub in by_video[choice.key]:
            if isinstance(speaker, Failure):
                run.fail(dub, speaker)
            elif not speaker.chosen:
                run.no_face(dub)
            else:
                dub.speaker = speaker
