"""Output files of a training: the model, its card, the curve as a table and as a plot."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from lipsync_ray.jobs.train.clips import ClipRow
from lipsync_ray.jobs.train.curve import CurvePoint
from lipsync_ray.jobs.train.settings import TrainSettings
from lipsync_ray.jobs.train.training_task import TrainingTask

MODEL, CARD, CURVE, PLOT = "model.safetensors", "MODEL_CARD.md", "curve.csv", "curve.png"


def files(
    task: TrainingTask,
    settings: TrainSettings,
    used: Sequence[ClipRow],
    steps: Sequence[int],
    curves: Sequence[Sequence[CurvePoint]],
    terms: str | None,
) -> dict[str, bytes]:
    """Make the output files: name → content.

    Parameters
    ----------
    task : finished
    used : rows of the clips
    steps, curves : of each network
    terms : licence terms of the initial weights
    """
    held_out = sum(bool(row.held_out) for row in used)
    people = len({row.person for row in used})
    made = settings.steps_made(steps)
    card = task.card(len(used), held_out, people, settings.card_fields(), made, terms)
    return {MODEL: task.to_bytes(), CARD: card.encode(), CURVE: _table(curves), PLOT: _plot(curves)}


def _table(curves: Sequence[Sequence[CurvePoint]]) -> bytes:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    names = list(curves[0][0].figures) if curves and curves[0] else []
    writer.writerow(["network", "step", "loss", *names, "clips_per_s"])
    for number, curve in enumerate(curves):
        writer.writerows([number, x.step, x.loss, *x.figures.values(), x.clips_per_s] for x in curve)
    return buffer.getvalue().encode()


def _plot(curves: Sequence[Sequence[CurvePoint]]) -> bytes:
    """Plot the loss, and each figure of held-out people."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for number, curve in enumerate(curves):
        steps = [line.step for line in curve]
        mark = "o" if len(curve) == 1 else ""  # a line through one point is invisible
        left.plot(steps, [line.loss for line in curve], marker=mark, label=f"network {number}")
        for name in curve[0].figures if curve else ():
            values = [line.figures[name] for line in curve]
            if None not in values:
                label = f"{name.replace('_', ' ')}, network {number}"
                right.plot(steps, values, marker=mark, label=label)
    left.set(xlabel="step", ylabel="loss")
    right.set(xlabel="step", title="people held out")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend(fontsize=7)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    return buffer.getvalue()
