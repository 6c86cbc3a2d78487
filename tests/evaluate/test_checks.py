"""Each check finds its fault, and says nothing where a number is missing."""

import re
from pathlib import Path

import pytest

from lipsync_ray.jobs.evaluate.checks import CHECKS, faults_of
from lipsync_ray.jobs.evaluate.scores import Score

METRICS = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"
SOUND = {
    "lip_lag": 0, "lip_lag_gain": 0.0, "openness_corr": 0.6, "openness_corr_other": 0.1, "sync_cosine": 0.3, "sync_cosine_other": 0.0,
    "spoken_motion": 0.06, "leak": 0.2, "widest_opening": 0.3, "face_distance": 0.25, "seam": 3.0, "flicker": 0.5, "colour_cast": 0.2,
    "frame_change": 4.0,
}  # fmt: skip


def score(status="scored", **values):
    return Score("a", "a.mp4", None, None, None, status, **values)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({}, ""),
        ({"lip_lag": 2, "lip_lag_gain": 0.6}, "sync: the lips are 2 frames (80 ms) late"),
        ({"lip_lag": -10, "lip_lag_gain": 0.6}, "sync: the lips are 10 frames (400 ms) early"),
        ({"lip_lag": 1, "lip_lag_gain": 0.6}, ""),  # not noticed
        ({"lip_lag": 9, "lip_lag_gain": 0.01}, ""),  # nowhere better than at once
        ({"openness_corr": 0.15, "sync_cosine": 0.02}, "unrelated: the lips follow their own sound no more than another one"),
        ({"openness_corr": 0.15}, ""),
        ({"sync_cosine": 0.02}, ""),
        ({"spoken_motion": 0.015, "lip_motion": 0.9}, ""),  # of a small face
        ({"spoken_motion": 0.004, "lip_motion": 0.1}, "still: the lips hardly move while somebody speaks"),
        ({"leak": 0.8}, "leak: the lips repeat the source's (r 0.80)"),
        ({"leak": 0.6}, ""),  # the new sound resembles the source's, and the lips follow it
        ({"widest_opening": 0.7}, "torn: the mouth opens wider"),
        ({"face_distance": 0.7}, "identity: the face is another one"),
        ({"seam": 9.0}, "seam: a straight edge"),
        ({"flicker": 9.0}, "flicker: the lower face flickers"),
        ({"colour_cast": 9.0}, "colour: the lower face has another colour"),
        ({"frame_change": 70.0}, "picture: a frame shows something else"),
    ],
)  # fmt: skip
def test_a_check_finds_its_fault(values, found):
    faults = faults_of(score(**{**SOUND, **values}))
    assert len(faults) == bool(found)
    assert not found or faults[0].startswith(found)


def test_nothing_is_found_where_nothing_is_known():
    assert faults_of(score()) == []
    assert faults_of(score("not_scored", **{**SOUND, "seam": 50.0})) == []


def test_several_faults_are_all_named():
    assert [text.partition(":")[0] for text in faults_of(score(**{**SOUND, "seam": 9.0, "flicker": 9.0}))] == [
        "seam",
        "flicker",
    ]


def test_every_check_is_in_the_documentation():
    listed = re.findall(r"^\| `(\w+)` \|", METRICS.read_text(encoding="utf-8").partition("## Faults")[2], re.MULTILINE)
    assert [check.name for check in CHECKS] == listed[: len(CHECKS)]
