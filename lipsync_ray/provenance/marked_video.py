"""State of a video in progress whose frames may get a label."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from lipsync_ray.engine.job import JobRun
from lipsync_ray.engine.stages import Failure
from lipsync_ray.engine.video_pass import VideoState
from lipsync_ray.errors import SettingsError
from lipsync_ray.provenance.frame_marks import FrameMarking, PlacedLabel


@dataclass(kw_only=True)
class MarkedVideo(VideoState):
    """State of a video in progress.

    Attributes
    ----------
    label : drawn on its frames by this run
    warnings : warnings of its row, without duplicates
    """

    label: PlacedLabel | None = None
    warnings: list[str] = field(default_factory=list)

    def warn(self, *sentences: str) -> None:
        """Add a warning once."""
        self.warnings += [sentence for sentence in sentences if sentence not in self.warnings]


def place_label(
    run: JobRun[Any, Any],
    video: MarkedVideo,
    marking: FrameMarking,
    language: str | None,
    width: int,
    height: int,
    aspect: Fraction,
    rate: Fraction,
) -> None:
    """Draw a video's label if it gets one; end the video with an error if the text does not fit.

    Parameters
    ----------
    width, height, aspect, rate : of the output
    """
    try:
        video.label = marking.label(language, width, height, aspect, rate, run.out)
        video.warn(*marking.notes(language, width, height))
    except SettingsError as error:
        run.fail(video, Failure("label", str(error)))
