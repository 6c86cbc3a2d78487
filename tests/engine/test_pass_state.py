"""Which files a finished video leaves to be removed: its parts, and what earlier runs left beside them."""

from dataclasses import dataclass

from rich.console import Console

from lipsync_ray.engine.attempts import Ledger
from lipsync_ray.engine.context import RunContext
from lipsync_ray.engine.inline_runner import InlineRunner
from lipsync_ray.engine.video_pass import PassState, VideoPass, VideoState
from lipsync_ray.io import storage
from lipsync_ray.settings import Workers


@dataclass(frozen=True)
class Range:
    key: str
    start: int
    stop: int
    url: str


@dataclass
class Clip(VideoState):
    id: str = ""


def test_its_parts_and_those_of_earlier_settings(place):
    parts = storage.join(place, "parts")
    for name in ("a/new-0-1.mp4", "a/old-0-2.mp4", "a/.old-2-4.mp4.7-ab.tmp", "ab/new-0-1.mp4"):
        storage.commit_bytes(storage.join(parts, name), b"-")
    clip = Clip(id="a")
    work = VideoPass(
        name="test",
        folder=parts,
        active={"a": clip},
        parts_of=lambda clip: [
            Range(str(n), n, n + 1, storage.join(parts, "a", f"new-{n}-{n + 1}.mp4")) for n in (0, 1)
        ],
        stages=[],
        assemble=("join", lambda order: order),
        on_done=lambda clip, made: None,
        fail=lambda clip, failure: None,
    )
    context = RunContext(InlineRunner(), Workers(), Console(quiet=True), Ledger("run", 1))
    assert [row.start for row in PassState(context, work).add("a")] == [1]
    names = ["new-0-1.mp4", "new-1-2.mp4", "old-0-2.mp4", ".old-2-4.mp4.7-ab.tmp"]
    assert set(clip.part_files) == {storage.join(parts, "a", name) for name in names}
