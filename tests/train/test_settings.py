"""What cannot be trained is said before anything starts."""

import pytest

from lipsync_ray.errors import SettingsError
from lipsync_ray.jobs.train.settings import STEPS, TrainSettings


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"kind": "draw"}, "expected one of pose, closure, painter, judge, expert, sync-judge, generator"),
        ({"kind": "pose", "init": "mini"}, "--init mini: goes with"),
        ({"kind": "generator", "width": 0.3}, "multiple of 1/64"),
        ({"kind": "generator", "width": 0.5, "init": "mini"}, "the width is that of its weights"),
        ({"kind": "pose", "width": 0.5}, "--width 0.5: goes with generator"),
        ({"kind": "expert", "adversarial": 0.1}, "--adversarial 0.1: goes with generator"),
        ({"kind": "expert", "expert": "x.pt"}, "--expert x.pt: goes with generator"),
        ({"kind": "generator", "adversarial": 2}, "expected 0 to 1"),
        ({"rate": 0}, "--rate 0"),
        ({"precision": "fp16"}, "--precision fp16"),
        ({"trainers": 0}, "--trainers 0"),
        ({"steps": 0}, "--steps 0"),
        ({"seeds": 9}, "--seeds 9"),
        ({"held_out": 0.9}, "--held-out 0.9"),
        ({"minutes": 0}, "--minutes 0"),
    ],
)
def test_what_cannot_work_is_named(values, said):
    with pytest.raises(SettingsError, match=said.replace("/", "/")):
        TrainSettings(**values)


def test_each_kind_has_its_steps():
    assert TrainSettings("generator").most_steps == STEPS["generator"]
    assert TrainSettings("pose", steps=7).record()["steps"] == 7


def test_how_long_and_by_how_many_decides_no_checkpoint():
    one, other = TrainSettings(minutes=1, trainers=2), TrainSettings(seeds=3)
    assert one.decides() == other.decides()
    assert TrainSettings(rate=0.1).decides() != one.decides()
