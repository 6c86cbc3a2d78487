"""Draws SVG figures with matplotlib: bars with intervals, and curves, in colours for paper and screen."""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from lipsync_ray.jobs.evaluate.metric import Metric
from lipsync_ray.jobs.evaluate.scores import Score
from lipsync_ray.jobs.evaluate.summary import ALL, GroupRow
from lipsync_ray.metrics.lse import MAX_SHIFT

COLOURS = ("#2f6db3", "#e08a1e", "#3c9a6b", "#b0466b", "#7a62b5", "#5f6b76")
WIDEST_BAR = 0.45  # inches
_AXIS = 0.6  # inches beside the bars for numbers and unit
_GREY = "#6b7280"
_MARK = "#111827"
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "lipsync_ray",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#9ca3af",
    "axes.labelcolor": _GREY,
    "xtick.color": _GREY,
    "ytick.color": _GREY,
}


def bars(rows: Sequence[GroupRow], metric: Metric, colours: dict[str, str], controls: Sequence[Metric] = ()) -> str:
    """Plot a metric's mean per language and model with its 95 % interval, and its controls' means."""
    languages = list(dict.fromkeys(row.language for row in rows))
    across = max(3.2, 1.2 + 0.2 * len(rows) + 0.25 * len(languages))
    figure, axes = _figure(across, 2.5)
    models = list(colours)
    width = 0.8 / len(models)
    for i, model in enumerate(models):
        for x, language in enumerate(languages):
            row = next((r for r in rows if r.language == language and r.model == model), None)
            found = row.stats.get(metric.name) if row else None
            if row is None or found is None:
                continue
            at = x + (i - (len(models) - 1) / 2) * width
            for control in controls:
                if control.name in row.stats:
                    mean = row.stats[control.name].mean
                    axes.plot(at, mean, control.marker, color=_MARK, markersize=5, markerfacecolor="white", zorder=3)
            if metric.from_zero:
                axes.bar(at, found.mean, width * 0.92, color=colours[model])
            else:
                axes.plot(at, found.mean, "o", color=colours[model], markersize=7)
            if found.low is not None and found.high is not None:
                error = [[found.mean - found.low], [found.high - found.mean]]
                axes.errorbar(at, found.mean, yerr=error, color="#1f2937", capsize=2.5, linewidth=1)
    axes.set_xticks(range(len(languages)), ["all" if name == ALL else name for name in languages])
    axes.set_ylabel(f"{metric.unit}" if metric.unit else "")
    # Limit the width of a few bars.
    margin = max(0.0, width * (across - _AXIS) / WIDEST_BAR - len(languages)) / 2
    axes.set_xlim(-0.5 - margin, len(languages) - 0.5 + margin)
    if controls:
        handles = [axes.plot([], [], c.marker, color=_MARK, markersize=5, markerfacecolor="white")[0] for c in controls]
        figure.legend(
            handles,
            [control.short.rpartition(", ")[2] for control in controls],
            loc="outside lower center",
            ncols=len(controls),
            frameon=False,
            fontsize=8,
            handletextpad=0.1,
            columnspacing=0.8,
        )
    if metric.signed:
        axes.set_ylim(0, max(1.0, axes.get_ylim()[1]))
    if metric.better == "near 1":
        axes.axhline(1, color="#9ca3af", linewidth=1, linestyle=(0, (4, 3)))
    return _svg(figure)


def shift_curve(score: Score, colour: str) -> str:
    """Plot the mean distance against the shift of the sound, with the minimum marked."""
    figure, axes = _figure(3.1, 1.55)
    shifts = np.arange(MAX_SHIFT, -MAX_SHIFT - 1, -1)
    curve = np.array(score.curve, float)
    if len(curve) == len(shifts) and np.isfinite(curve).any():
        best = int(np.nanargmin(curve))
        axes.plot(shifts, curve, color=colour, linewidth=1.6)
        axes.axhline(float(np.nanmedian(curve)), color="#9ca3af", linewidth=0.8, linestyle=(0, (4, 3)))
        axes.plot(shifts[best], curve[best], "o", color="#b91c1c", markersize=4)
    axes.axvline(0, color="#d1d5db", linewidth=0.8, zorder=0)
    axes.set_xlabel("shift of the sound, frames of 40 ms")
    axes.set_ylabel("distance")
    axes.set_xlim(-MAX_SHIFT - 0.5, MAX_SHIFT + 0.5)
    return _svg(figure)


def confidence_curve(score: Score, colour: str) -> str:
    """Plot the confidence of the longest track over time."""
    figure, axes = _figure(3.1, 1.55)
    times = (score.confidence_start_s or 0) + np.arange(len(score.confidence)) / 25
    axes.plot(times, score.confidence, color=colour, linewidth=1.2)
    axes.axhline(0, color="#d1d5db", linewidth=0.8, zorder=0)
    axes.set_xlabel("seconds")
    axes.set_ylabel("confidence")
    return _svg(figure)


def _figure(width: float, height: float) -> tuple[Any, Any]:
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        return figure, figure.add_subplot()


def _svg(figure: Any) -> str:
    """The figure's SVG element, with ids that are unique on a page."""
    from matplotlib import rc_context

    buffer = io.StringIO()
    with rc_context(_STYLE):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    tag = f"f{zlib.crc32(text.encode())}"
    text = re.sub(r'id="([^"]+)"', rf'id="{tag}-\1"', text)
    return re.sub(r'(href="#|url\(#)', rf"\g<1>{tag}-", text)
