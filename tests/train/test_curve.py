"""What a training shows while it goes on."""

import io

import pytest
from rich.console import Console

from lipsync_ray.engine import progress
from lipsync_ray.jobs.train.curve import CurvePoint, StepsDone, TrainingProgress


@pytest.fixture
def shown(monkeypatch):
    monkeypatch.setattr(progress, "LOG_EVERY_S", 0.0)
    return Console(file=io.StringIO(), width=200)


def test_every_network_tells_the_time_left(shown):
    with TrainingProgress(shown, "pose 0", 10, None) as watch:
        watch.report(StepsDone(2, 5.0, 2))
        watch.report(StepsDone(3, 5.5, 2))
        watch.report(CurvePoint(4, 1.5, {"r": 0.25, "r_other": None}, 9.0))
        watch.report(StepsDone(10, 9.0, 10))
    first, second, point, last = shown.file.getvalue().splitlines()
    assert first == "pose 0: steps 2/10"
    assert second.startswith("pose 0: steps 3/10, ")
    assert second.endswith(" left")
    assert point.startswith(
        "pose 0: step 4 of 10, loss 1.500, people held out: r 0.25, r other without control; 9 clips/s, "
    )
    assert point.endswith(" left")
    assert last.startswith("pose 0: steps 10/10, ")


def test_the_clock_may_end_it_first(shown):
    with TrainingProgress(shown, "judge 0", 100_000, 2) as watch:
        watch.report(StepsDone(0, 0.0, 0))
    assert "judge 0: steps 0/100000, 2:00 left" in shown.file.getvalue()


def test_what_a_stopped_one_keeps_is_said(shown):
    watch = TrainingProgress(shown, "pose 0", 10, None)
    watch.report(StepsDone(0, 0.0, 0))
    watch.report(StepsDone(7, 1.0, 7))
    watch.__exit__(KeyboardInterrupt, None, None)
    assert "pose 0: ended at step 7 of 10; 7 are kept" in shown.file.getvalue()


def test_a_training_that_never_began_says_nothing(shown):
    with pytest.raises(KeyboardInterrupt), TrainingProgress(shown, "pose 0", 10, None):
        raise KeyboardInterrupt
    assert shown.file.getvalue() == ""
