"""Which of a dub's frames are copied from its source: whole groups of pictures in which nothing is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lipsync_ray.media.groups import Groups, find_groups
from lipsync_ray.media.join import Copies
from lipsync_ray.media.probe import VideoInfo

if TYPE_CHECKING:
    from lipsync_ray.jobs.dub.state import DubState
    from lipsync_ray.provenance.frame_marks import FrameMarks

Ranges = tuple[tuple[int, int], ...]
"""Output frames [start, stop), rising."""


@dataclass(frozen=True)
class GroupsOrder:
    """A source video whose groups of pictures are wanted; `key` changes with its content."""

    key: str
    video: VideoInfo


def groups_of(order: GroupsOrder) -> Groups:
    """As :func:`~lipsync_ray.media.groups.find_groups`."""
    return find_groups(order.video)


def copied_ranges(dub: DubState, marks: FrameMarks) -> Ranges:
    """The frames that are copied; none as long as it is not known where something may be drawn.

    A source is copied where it is shown the first time: what follows is played to and fro, or again.
    """
    if dub.groups is None or dub.drawable is None or dub.info is None:
        return ()
    first = 0
    if marks.label is not None:
        first = dub.frames if marks.label.until is None else marks.label.until
    last = min(dub.frames, dub.info.frames)
    out: list[tuple[int, int]] = []
    for start, stop in dub.groups.bounds:
        if start < first or stop > last or dub.drawable[start:stop].any():
            continue
        if out and out[-1][1] == start:
            out[-1] = out[-1][0], stop
        else:
            out.append((start, stop))
    return tuple(out)


def possible_cuts(dub: DubState) -> set[int]:
    """Frames at which copied ranges may begin and end, as long as that is not known: so that no more rows come than are planned."""
    if dub.groups is None or dub.drawable is not None:
        return set()
    return {edge for bounds in dub.groups.bounds for edge in bounds if edge < dub.frames}


def copies_of(dub: DubState, marks: FrameMarks) -> Copies | None:
    """What of a dub's source its video is joined of, too; None where nothing is."""
    ranges = copied_ranges(dub, marks)
    if not ranges or dub.groups is None or dub.info is None:
        return None
    return Copies(dub.info, dub.groups, ranges)


def note_of(dub: DubState, marks: FrameMarks) -> str | None:
    """Why all frames are encoded although copies were asked for; None where that is not so."""
    if dub.groups is None or dub.info is None or copied_ranges(dub, marks):
        return None
    reason = dub.groups.reason
    if not reason:
        longest = max(stop - start for start, stop in dub.groups.bounds) / dub.info.rate
        reason = f"none of its {len(dub.groups.bounds)} groups of pictures, of up to {float(longest):.3g} s, is shown whole and without a drawn frame"
    return f"--untouched copy: every frame was encoded, because {reason}"
