import json
from dataclasses import fields
from fractions import Fraction

import pytest

import lipsync_ray
from lipsync_ray.errors import SettingsError
from lipsync_ray.faces.choices import Pads
from lipsync_ray.jobs.train.settings import TrainSettings
from lipsync_ray.media.choices import VideoCoding
from lipsync_ray.settings import (
    AnalyzeSettings,
    DubSettings,
    EnhanceSettings,
    EvaluateSettings,
    HeadSettings,
    MarkSettings,
    RestoreSettings,
    Workers,
)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"face": "tallest"}, "--face tallest: expected one of auto, speaking, largest, center, left, right, all"),
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


WRONG = [
    (DubSettings, {"pads": (0, 0, 0, 0)}, "DubSettings.pads=(0, 0, 0, 0): expected Pads(top, bottom, left, right)"),
    (DubSettings, {"pads": Pads("0")}, "DubSettings.pads.top='0': expected a number"),
    (
        DubSettings,
        {"coding": {"crf": 3}},
        "DubSettings.coding={'crf': 3}: expected VideoCoding(crf, preset, codec, container)",
    ),
    (DubSettings, {"coding": VideoCoding(crf="18")}, "DubSettings.coding.crf='18': expected a number"),
    (DubSettings, {"model": 3}, "DubSettings.model=3: expected a text"),
    (DubSettings, {"face": None}, "DubSettings.face=None: expected one of 'auto'"),
    (DubSettings, {"blend": ["feather"]}, "DubSettings.blend=['feather']: expected one of"),
    (DubSettings, {"bbox_shift": 1.5}, "DubSettings.bbox_shift=1.5: expected a whole number or None"),
    (DubSettings, {"trim_silence": "no"}, "DubSettings.trim_silence='no': expected True or False"),
    (DubSettings, {"still_rate": "25"}, "DubSettings.still_rate='25': expected a Fraction"),
    (DubSettings, {"restore": "gfpgan"}, "DubSettings.restore='gfpgan': expected RestoreSettings(model, mask"),
    (DubSettings, {"head": {}}, "DubSettings.head={}: expected HeadSettings("),
    (DubSettings, {"reference": ""}, "--reference : expected one of current, closed"),
    (HeadSettings, {"steps": "6"}, "HeadSettings.steps='6': expected a whole number or None"),
    (HeadSettings, {"guidance": [1]}, "HeadSettings.guidance=[1]: expected a number or None"),
    (RestoreSettings, {"strength": None}, "RestoreSettings.strength=None: expected a number"),
    (EnhanceSettings, {"restore": None}, "EnhanceSettings.restore=None: expected RestoreSettings("),
    (EnhanceSettings, {"upscale": "2"}, "EnhanceSettings.upscale='2': expected a whole number"),
    (EvaluateSettings, {"min_track": None}, "EvaluateSettings.min_track=None: expected a whole number"),
    (EvaluateSettings, {"dims": [64]}, "EvaluateSettings.dims=[64]: expected a whole number"),
    (AnalyzeSettings, {"frames": "10"}, "AnalyzeSettings.frames='10': expected a whole number"),
    (AnalyzeSettings, {"seed": True}, "AnalyzeSettings.seed=True: expected a whole number"),
    (TrainSettings, {"steps": "9"}, "TrainSettings.steps='9': expected a whole number or None"),
    (TrainSettings, {"minutes": float("nan")}, "--minutes nan: expected more than 0"),
    (Workers, {"actors": "2"}, "Workers.actors='2': expected a whole number or None"),
    (Workers, {"gpus_per_actor": float("nan")}, "--gpus-per-actor nan"),
    (Workers, {"engine": None}, "Workers.engine=None: expected one of 'ray', 'inline'"),
]


@pytest.mark.parametrize(("kind", "values", "said"), WRONG)
def test_a_wrong_type_names_field_value_and_what_was_expected(kind, values, said):
    with pytest.raises(SettingsError) as caught:
        kind(**values)
    assert str(caught.value).startswith(said)


ALL = (DubSettings, HeadSettings, MarkSettings, RestoreSettings, EnhanceSettings, EvaluateSettings, AnalyzeSettings, TrainSettings, Workers)  # fmt: skip


@pytest.mark.parametrize(("kind", "name"), [(kind, field.name) for kind in ALL for field in fields(kind)])
@pytest.mark.parametrize("value", [object(), [], {}, b"x", (0, 0, 0, 0), 1j])
def test_every_field_of_all_settings_is_checked(kind, name, value):
    with pytest.raises(SettingsError, match=rf"^{kind.__name__}\.{name}="):
        kind(**{name: value})


def test_a_whole_number_is_a_number_and_a_fraction():
    settings = DubSettings(still_rate=30, coding=VideoCoding(crf=20), pads=Pads(0, 0, 0, 0))
    assert (type(settings.still_rate), settings.still_rate) == (Fraction, 30)


@pytest.mark.parametrize(
    ("call", "values"),
    [
        (lipsync_ray.dub, ("v.mp4", "a.wav", "o")),
        (lipsync_ray.dub_table, ("t.csv", "o")),
        (lipsync_ray.enhance, ("v.mp4", "o")),
        (lipsync_ray.evaluate, ("run", "o")),
        (lipsync_ray.analyze, ("v.mp4", "o")),
        (lipsync_ray.train, ("clips", "o")),
        (lipsync_ray.quote_table, ("t.csv", "o")),
        (lipsync_ray.calibrate, ("rates.json",)),
    ],
)
@pytest.mark.parametrize("argument", ["settings", "workers"])
@pytest.mark.parametrize("value", [{}, {"model": "mini"}, Pads(), "fast"])
def test_jobs_are_given_settings_before_they_look_at_anything(call, values, argument, value, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match=f"^{argument}=.*: expected .*, or None$"):
        call(*values, **{argument: value})
    assert list(tmp_path.iterdir()) == []


def test_a_whole_number_is_the_same_setting_as_its_float():
    whole = DubSettings(coding=VideoCoding(crf=0), pads=Pads(0, 0, 0, 1), restore=RestoreSettings(strength=1))
    assert json.dumps(whole.record()) == json.dumps(
        DubSettings(
            coding=VideoCoding(crf=0.0), pads=Pads(0.0, 0.0, 0.0, 1.0), restore=RestoreSettings(strength=1.0)
        ).record()
    )
    assert DubSettings(bbox_shift=3).record()["bbox_shift"] == 3
