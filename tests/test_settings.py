from fractions import Fraction

import pytest

from lipsync_ray.errors import SettingsError
from lipsync_ray.faces.crop import Pads
from lipsync_ray.media.encode import VideoCoding
from lipsync_ray.settings import DubSettings, Workers


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"face": "tallest"}, "--face tallest: expected one of largest, center, left, right"),
        ({"blend": "soft"}, "--blend"),
        ({"length": "forever"}, "--length"),
        ({"loop": "bounce"}, "--loop"),
        ({"precision": "int8"}, "--precision"),
        ({"coding": VideoCoding(crf=60)}, "--crf 60"),
        ({"coding": VideoCoding(preset="warp")}, "--preset warp"),
        ({"pads": Pads(top=3)}, "--pads"),
        ({"pads": Pads(top=float("nan"))}, "--pads"),
        ({"still_rate": Fraction(0)}, "--still-rate"),
    ],
)
def test_what_cannot_work_is_refused(change, said):
    with pytest.raises(SettingsError, match=said):
        DubSettings(**change)


@pytest.mark.parametrize(
    "change",
    [
        {"actors": 0},
        {"batch": 0},
        {"segment_s": 0.01},
        {"attempts": 0},
        {"gpus_per_actor": 1.5},
        {"gpus_per_actor": -1},
    ],
)
def test_workers_that_cannot_be_are_refused(change):
    with pytest.raises(SettingsError):
        Workers(**change)


def test_the_record_is_json():
    import json

    record = json.loads(json.dumps(DubSettings(still_rate=Fraction(30000, 1001)).record()))
    assert record["still_rate"] == "30000/1001"
    assert record["coding"] == {"crf": 18.0, "preset": "veryfast"}
