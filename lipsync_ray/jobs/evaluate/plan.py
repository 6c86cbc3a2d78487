"""Plans rows of work from face tracks: ranges of a video's grid, and the windows scored in them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from lipsync_ray.faces.choices import Pads
from lipsync_ray.inputs.audio_features import Speech
from lipsync_ray.io import storage
from lipsync_ray.jobs.evaluate.face_tracks import RATE, TrackIndex
from lipsync_ray.media.audio import SAMPLE_RATE
from lipsync_ray.media.probe import VideoInfo
from lipsync_ray.metrics.lse import windows_of

SAMPLES_PER_FRAME = SAMPLE_RATE // RATE.numerator


@dataclass(frozen=True)
class WindowRange:
    """Consecutive windows of one track.

    Attributes
    ----------
    track : number in the video's tracks
    first : window of the track
    count : windows
    at : grid frame of the first window's first frame
    """

    track: int
    first: int
    count: int
    at: int


@dataclass(frozen=True)
class ScoreRow:
    """A range of a video's grid.

    Attributes
    ----------
    key : unique in the evaluation
    item : id of the video
    start, stop : grid frames [start, stop)
    frames : grid frames of the whole video
    video, reference : the scored video, and its reference
    tracks_url : its face tracks
    runs : windows that start in the range
    speech : the video's own sound; None if no window is scored
    pads : of the face crops
    url : where the range's numbers are committed
    lips_url : folder to cache the reference's lip measurements for its other dubs; empty if there are none
    """

    key: str
    item: str
    start: int
    stop: int
    frames: int
    video: VideoInfo
    reference: VideoInfo | None
    tracks_url: str
    runs: tuple[WindowRange, ...]
    speech: Speech | None
    pads: Pads
    url: str
    lips_url: str = ""


def windows_of_tracks(index: TrackIndex, speech: Speech | None) -> tuple[int, ...]:
    """Number of windows per track: as far as both picture and sound last."""
    if speech is None:
        return (0,) * len(index.start)
    samples = int(speech.duration_s * SAMPLE_RATE)
    return tuple(
        windows_of(length, max(0, samples - SAMPLES_PER_FRAME * start))
        for start, length in zip(index.start, index.length, strict=True)
    )


def score_rows(
    item: str,
    index: TrackIndex,
    windows: tuple[int, ...],
    video: VideoInfo,
    reference: VideoInfo | None,
    tracks_url: str,
    speech: Speech | None,
    pads: Pads,
    folder: str,
    seconds: float,
    batch: int,
    lips_url: str = "",
) -> list[ScoreRow]:
    """The rows of one video: ranges of about ``seconds``, in multiples of the scorer's batch.

    Without a reference, ranges without a scored window are omitted.
    """
    length = max(1, round(seconds * float(RATE) / batch)) * batch
    rows = []
    for start in range(0, index.frames, length):
        stop = min(index.frames, start + length)
        runs = []
        for track, (begin, count) in enumerate(zip(index.start, windows, strict=True)):
            first, last = max(0, start - begin), min(count, stop - begin)
            if last > first:
                runs.append(WindowRange(track, first, last - first, begin + first))
        if runs or reference is not None:
            url = storage.join(folder, f"{start}-{stop}.npz")
            rows.append(
                ScoreRow(
                    f"{item}-{start}",
                    item,
                    start,
                    stop,
                    index.frames,
                    video,
                    reference,
                    tracks_url,
                    tuple(runs),
                    speech if runs else None,
                    pads,
                    url,
                    lips_url,
                )
            )
    return rows


def why_not_comparable(video: VideoInfo, reference: VideoInfo, follows: bool) -> str:
    """Explain why a reference cannot be compared frame by frame; empty if it can.

    Parameters
    ----------
    follows : its frames correspond through a loop, so it may have any length
    """
    if not follows:
        if reference.rate != video.rate:
            return (
                f"the reference has {_rate(reference.rate)} frames/s, the video {_rate(video.rate)}: frames do not "
                "correspond"
            )
        if abs(reference.frames - video.frames) > 1:
            return f"the reference has {reference.frames} frames, the video {video.frames}: frames do not correspond"
    same_shape = (
        abs(video.width * reference.height - video.height * reference.width) <= max(video.width, video.height) * 2
    )
    if not same_shape:
        return (
            f"the reference is {reference.width} × {reference.height}, the video {video.width} × {video.height}: "
            "different aspect ratios"
        )
    return ""


def _rate(rate: Fraction) -> str:
    return str(rate) if rate.denominator != 1 else str(rate.numerator)
