"""What is committed of a training tells what was made, not what was asked for."""

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from lipsync_ray.jobs.train.assemble import CARD, CURVE, files
from lipsync_ray.jobs.train.audio_tasks import Openings
from lipsync_ray.jobs.train.clips import ClipRow
from lipsync_ray.jobs.train.curve import CurvePoint
from lipsync_ray.jobs.train.settings import TrainSettings


@pytest.fixture
def made(corpus):
    """Steps and curves → the files of a training with them."""

    def of(settings, steps, curves):
        task = Openings(corpus)
        task.state, task.measured = {"a": torch.zeros(1)}, {"r": "0.5"}
        used = [ClipRow(str(n), "", "used", person=str(n // 2), held_out=n < 1) for n in range(8)]
        return files(task, settings, used, steps, curves, None)

    return of


@pytest.mark.parametrize(
    ("kind", "asked", "steps", "said"),
    [
        ("generator", None, [17], "for 17 of 8,000 steps on 7 clips; 1 clip of another person was held out"),
        ("judge", 50, [50], "for 50 steps on 7 clips"),
        ("pose", None, [1400, 900], "for 1,400 and 900 of 1,400 steps"),
    ],
)
def test_the_card_tells_the_steps_made(made, kind, asked, steps, said):
    card = made(TrainSettings(kind, steps=asked), steps, [[]])[CARD].decode()
    assert said in card
    assert f"steps {steps[0]}" not in card
    assert "steps 8000" not in card


def points(count):
    return [CurvePoint(step, 1.0 / step, {"r": 0.1 * step, "r_other": None}, 5.0) for step in range(1, count + 1)]


@pytest.mark.parametrize(("count", "marker"), [(1, "o"), (2, "")])
def test_a_curve_of_one_point_is_a_point(made, monkeypatch, count, marker):
    drawn = []
    save = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda figure, *a, **k: (drawn.append(figure), save(figure, *a, **k)))
    table = made(TrainSettings("judge"), [count], [points(count)])[CURVE].decode()
    lines = [line for axes in drawn[0].axes for line in axes.lines]
    assert [line.get_marker() for line in lines] == [marker] * 2
    assert all(np.isfinite(line.get_ydata()).all() for line in lines)
    assert table.splitlines()[1] == "0,1,1.0,0.1,,5.0"
