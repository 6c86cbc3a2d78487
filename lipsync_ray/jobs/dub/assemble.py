"""What is done when the last segment of a dub has arrived: join its parts under the audio."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

from lipsync_ray.errors import LipsyncError
from lipsync_ray.io.results import Drawn
from lipsync_ray.jobs.dub.reuse import PartsPlan
from lipsync_ray.media.join import Copies, join_committed
from lipsync_ray.media.probe import VideoInfo
from lipsync_ray.media.side_content import SideContent, side_content_of
from lipsync_ray.media.soundtrack import Soundtrack, ready
from lipsync_ray.media.subtitles import SubtitleTrack
from lipsync_ray.provenance.claims import Claim, MadeFile
from lipsync_ray.provenance.marking import UNMARKED, Marking
from lipsync_ray.restoration.previews import join_rows


@dataclass(frozen=True)
class VideoOrder:
    """A video to put together.

    Attributes
    ----------
    key : id of the dub
    parts : (first frame, url) of its parts, in order
    frames : that it must have
    rate : frames/s
    sound : what its audio is made of
    url : where it is committed
    sources : (URL, identity when the run was planned) of the files it is made of
    previews : the folder of its before-and-after, where it has one
    claim, marking : what it says of itself, and how
    drawing : finds when and where it was drawn; None where nobody asks
    source : the video whose titles, time code, chapters and subtitles it has; None for none
    subtitles : a track of text of its own, before those of its source
    plan : of its parts, where a later version may reuse them
    copies : what it has of its source's packets; None where nothing
    """

    key: str
    parts: tuple[tuple[int, str], ...]
    frames: int
    rate: Fraction
    sound: Soundtrack
    url: str
    sources: tuple[tuple[str, str], ...] = ()
    previews: str | None = None
    claim: Claim | None = None
    marking: Marking = UNMARKED
    drawing: Callable[[], tuple[Drawn, ...] | None] | None = None
    source: VideoInfo | None = None
    subtitles: SubtitleTrack | None = None
    plan: PartsPlan | None = None
    copies: Copies | None = None


def make_video(order: VideoOrder) -> MadeFile:
    """Join a dub's parts under its audio and commit the video; the parts stay until the dub is recorded as done.

    Raises
    ------
    EncodeError : the parts do not add up to the frames that were planned
    SigningError : it cannot be signed
    ChangedError : a source is not the one any more that the parts were made of
    """
    drawn = _drawn(order)
    said = order.marking.on(replace(order.claim, drawn=drawn) if order.claim is not None else None)
    with ready(order.sound, order.frames / order.rate) as sounds:
        join_committed(
            order.parts,
            order.frames,
            order.rate,
            sounds.track,
            order.url,
            order.sources,
            *said,
            _side_content(order),
            sounds.more,
            order.copies,
        )
    if order.previews is not None:
        join_rows(order.previews, order.key)
    parts = order.plan.identities() if order.plan is not None else None
    level = (None, None) if sounds.measured is None else (sounds.measured.loudness_lufs, sounds.measured.true_peak_db)
    return MadeFile(order.url, drawn, parts, sounds.notes, *level)


def _side_content(order: VideoOrder) -> SideContent:
    side = SideContent() if order.source is None else side_content_of(order.source, order.frames / order.rate)
    own = () if order.subtitles is None else (order.subtitles,)
    return replace(side, subtitles=(*own, *side.subtitles))


def _drawn(order: VideoOrder) -> tuple[Drawn, ...] | None:
    """When and where it was drawn; None where its tables are gone."""
    try:
        return order.drawing() if order.drawing is not None else None
    except (OSError, LipsyncError):
        return None
