"""What a file has besides pictures and sound: titles, creation time, time code, chapters, subtitles."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import Any

from lipsync_ray.media.container import main_stream, opened
from lipsync_ray.media.deinterlace import frames_of_each
from lipsync_ray.media.probe import VideoInfo
from lipsync_ray.media.sound_writers import describe, title_of
from lipsync_ray.media.subtitles import SubtitleTrack, cut_tracks, text_streams, tracks_of
from lipsync_ray.media.time_code import fits, of_parts, tag, time_code_of

_TICK = Fraction(1, 1_000_000_000)


@dataclass(frozen=True)
class Chapter:
    """A named range of a video, in seconds from its first frame on."""

    start_s: Fraction
    end_s: Fraction
    title: str = ""


@dataclass(frozen=True)
class SideContent:
    """What a file has besides pictures and sound; what is empty is not written.

    Attributes
    ----------
    title : of the file
    picture_title : of its stream of pictures
    created : when the recording was made, in ISO 8601
    time_code : of the first frame
    chapters : in order
    subtitles : tracks of text
    """

    title: str = ""
    picture_title: str = ""
    created: str = ""
    time_code: str = ""
    chapters: tuple[Chapter, ...] = ()
    subtitles: tuple[SubtitleTrack, ...] = ()


def side_content_of(video: VideoInfo, lasts_s: Fraction) -> SideContent:
    """What an output that begins with the source's first frame has of it. Repeated pictures have no chapters and subtitles.

    Parameters
    ----------
    lasts_s : of the output

    Raises
    ------
    ProbeError, ChangedError : the source cannot be read
    """
    until_s = lasts_s if video.still else min(lasts_s, video.duration_s)
    found = read_side_content(
        video.url, video.rate, video.origin_s, until_s, video.content, video.still or video.order == "stamps"
    )
    return replace(found, time_code=of_parts(found.time_code, frames_of_each(video.deinterlace)))


def read_side_content(
    url: str,
    rate: Fraction,
    origin_s: Fraction = Fraction(0),
    until_s: Fraction | None = None,
    content: str = "",
    timed: bool = True,
) -> SideContent:
    """What a file has.

    Parameters
    ----------
    rate : frames/s
    origin_s, until_s : time of its first frame, and seconds from there on after which nothing is read; None for all
    content : identity of the file; empty: any
    timed : whether its clock is that of its frames; otherwise chapters and subtitles are left out

    Raises
    ------
    ProbeError, ChangedError : it cannot be read
    """
    with opened(url, planned=content) as container:
        stream = main_stream(container)
        time_code = time_code_of(container, stream)
        return SideContent(
            tag(container.metadata, "title"),
            title_of(stream),
            tag(container.metadata, "creation_time"),
            time_code if fits(time_code, rate) else "",
            _chapters(container, origin_s, until_s) if timed else (),
            cut_tracks(_texts(container, url, content), origin_s, until_s) if timed else (),
        )


def _texts(container: Any, url: str, content: str) -> tuple[SubtitleTrack, ...]:
    """The tracks of text of a file that was just opened; of a known file they are read once a process, for all of its dubs."""
    return _texts_of(url, content) if content and text_streams(container) else tracks_of(container)


@lru_cache(maxsize=8)
def _texts_of(url: str, content: str) -> tuple[SubtitleTrack, ...]:
    with opened(url, planned=content) as container:
        return tracks_of(container)


def _chapters(container: Any, origin_s: Fraction, until_s: Fraction | None) -> tuple[Chapter, ...]:
    found = []
    for one in container.chapters():
        start, end = (one[edge] * one["time_base"] - origin_s for edge in ("start", "end"))
        start, end = max(Fraction(0), start), end if until_s is None else min(end, until_s)
        if start < end:
            found.append(Chapter(start, end, tag(one["metadata"], "title")))
    return tuple(found)


def write_side_content(container: Any, video: Any, side: SideContent) -> None:
    """Give all but the subtitles to an open container, before its first packet.

    Parameters
    ----------
    video : its stream of pictures
    """
    texts = {"title": side.title, "creation_time": side.created, "timecode": side.time_code}
    container.metadata.update({name: text for name, text in texts.items() if text})
    describe(video, None, side.picture_title)
    if side.chapters:
        container.set_chapters(
            [
                {
                    "id": number,
                    "start": round(one.start_s / _TICK),
                    "end": round(one.end_s / _TICK),
                    "time_base": _TICK,
                    "metadata": {"title": one.title} if one.title else {},
                }
                for number, one in enumerate(side.chapters, 1)
            ]
        )
