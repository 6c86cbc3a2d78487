"""What is done when the last part of a video has arrived: join them over its own audio."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from lipsync_ray.io import storage
from lipsync_ray.io.identity import check_unchanged
from lipsync_ray.jobs.enhance.drawn import drawn_in
from lipsync_ray.jobs.enhance.plan import EnhanceRow
from lipsync_ray.media.codecs import container_of
from lipsync_ray.media.join import join_committed
from lipsync_ray.media.kept_sounds import own_sounds
from lipsync_ray.media.probe import VideoInfo
from lipsync_ray.media.side_content import side_content_of
from lipsync_ray.provenance.claims import Claim, MadeFile
from lipsync_ray.provenance.marking import Marking
from lipsync_ray.restoration.previews import join_rows
from lipsync_ray.settings import Region


@dataclass(frozen=True)
class EnhancedOrder:
    """A video to put together; or a picture, which is its only part.

    Attributes
    ----------
    key : id of the item
    parts : (first frame, url), in order
    video : whose sound it gets
    url : where it is committed
    previews : the folder of its before-and-after
    claim, marking : what it says of itself, and how
    whole : its rows as one, by which is found when and where its faces were drawn
    region : what of each face is restored
    """

    key: str
    parts: tuple[tuple[int, str], ...]
    video: VideoInfo
    url: str
    previews: str
    claim: Claim
    marking: Marking
    whole: EnhanceRow
    region: Region


def make_enhanced(order: EnhancedOrder) -> MadeFile:
    """Join a video's parts under its own audio and commit the video; or a picture's only one.

    Its audio tracks are copied packet by packet where the container takes their codec, else encoded to AAC.

    Raises
    ------
    EncodeError : the parts do not add up to the video's frames
    SigningError : it cannot be signed
    ChangedError : the video is not the one any more that they were made of
    """
    video = order.video
    drawn = drawn_in(order.whole, order.region)
    notes: tuple[str, ...] = ()
    comment, finish = order.marking.on(replace(order.claim, drawn=drawn))
    if video.picture:
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / storage.name_of(order.url)
            storage.copy(order.parts[0][1], str(path))
            if finish is not None:
                finish(path)
            check_unchanged(video.url, video.content)
            storage.commit_file(path, order.url)
    else:
        source = video.url, video.content
        side = side_content_of(video, video.duration_s)
        sounds, notes = own_sounds(video, container=container_of(order.whole.coding))
        first = sounds[0] if sounds else None
        join_committed(
            order.parts, video.frames, video.rate, first, order.url, [source], comment, finish, side, sounds[1:]
        )
    join_rows(order.previews, order.key)
    return MadeFile(order.url, drawn, notes=notes)
