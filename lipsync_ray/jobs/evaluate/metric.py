"""Declares a metric of a video: one field of a score says all that tables, pages and figures need of it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from lipsync_ray.io.formatting import number

METRIC = "metric"  # key of a field's metadata
Better = Literal["lower", "higher", "near 0", "near 1", ""]


@dataclass(frozen=True)
class Metric:
    """A metric of a video.

    Attributes
    ----------
    title : in a report
    better : which way
    digits : to show
    meaning : one sentence
    group : a report lists "lips", metrics of the judges, and "faults", metrics of the checks, in tables of their own
    short : above a column of it
    unit : of it; empty for a plain number
    name : of its column, or of a property of the score
    signed : title of the number with its sign, shown of a single video; means are of magnitudes. Empty without a sign
    scorer : name of the only scorer that gives it; empty for a metric of every evaluation
    track_mean : attribute of a track's score that it is the mean of, for a scorer's metric
    control_of : name of the metric that it is plotted with; empty for one plotted by itself
    marker : of matplotlib, for a control
    from_zero : drawn as a bar; otherwise as a point, since a bar from zero would hide the differences
    in_terminal : listed after an evaluation; the page lists all
    """

    title: str
    better: Better
    digits: int
    meaning: str
    group: Literal["sync", "picture", "lips", "faults", "work"]
    short: str = ""
    unit: str = ""
    name: str = ""
    signed: str = ""
    scorer: str = ""
    track_mean: str = ""
    control_of: str = ""
    marker: str = ""
    from_zero: bool = True
    in_terminal: bool = False

    def value(self, score: Any) -> float | None:
        """Read it from a score: its magnitude, for one with a sign; None if missing."""
        found = getattr(score, self.name)
        return None if found is None else float(abs(found) if self.signed else found)

    def text(self, score: Any) -> str:
        """A video's number, with its sign if it has one; a dash if missing."""
        found = getattr(score, self.name)
        if self.signed and found is not None:
            return f"{found:+d}" if found else "0"
        return number(found, self.digits)


def metric(*arguments: Any, **more: Any) -> Any:
    """A field of a score, null by default, that is a :class:`Metric` of these arguments."""
    return field(default=None, metadata={METRIC: Metric(*arguments, **more)})


def metrics_of(kind: Any) -> tuple[Metric, ...]:
    """The metrics that a class of scores declares, in order of its fields."""
    found = ((one.name, one.metadata[METRIC]) for one in fields(kind) if METRIC in one.metadata)
    return tuple(replace(one, name=one.name or name, short=one.short or one.title) for name, one in found)
