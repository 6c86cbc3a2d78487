"""What the judges make of lips and sounds, and when they contradict a score."""

import io

import numpy as np
import pytest

from lipsync_ray.io import storage
from lipsync_ray.jobs.evaluate.judged import JudgedSound, Lips, Sounds, disagreements, judge_lips
from lipsync_ray.jobs.evaluate.scores import Score
from lipsync_ray.models import sync_judge

PLACES = 120


def course(seed):
    return np.convolve(np.random.default_rng(seed).normal(size=PLACES + 4), np.ones(5) / 5, "valid").astype(np.float32)


def sound(folder, seed):
    """A sound whose points are those that a mouth of the same seed has."""
    url = str(folder / f"{seed}.npz")
    buffer = io.BytesIO()
    points = sync_judge.follow(lips(seed).embedded)
    np.savez(
        buffer, opening=course(seed), silent=np.arange(PLACES) < 40, points=np.nan_to_num(points).astype(np.float16)
    )
    storage.commit_bytes(url, buffer.getvalue())
    return JudgedSound(url, ())


def lips(seed):
    seen = np.random.default_rng(seed + 100).normal(size=(PLACES, sync_judge.DIMENSIONS)).astype(np.float32)
    return Lips(0.1 * course(seed), seen)


def score(offset=0, **values):
    return Score("a", "a.mp4", None, None, None, "scored", offset=offset, **values)


def test_lips_that_follow_their_sound(tmp_path):
    sounds = Sounds(sound(tmp_path, 1), sound(tmp_path, 2), sound(tmp_path, 3), PLACES / 25)
    found = score(**judge_lips(lips(1), lips(3), sounds))
    assert (found.openness_corr, found.openness_corr_lag) == (pytest.approx(1), 0)
    assert found.sync_cosine == pytest.approx(1, abs=0.01)
    assert found.sync_cosine_lag == 0
    assert abs(found.openness_corr_other) < 0.4
    assert found.sync_cosine_other < 0.5
    assert found.sync_cosine_undubbed < 0.5
    assert (found.openness_corr_real, found.sync_cosine_real) == (pytest.approx(1), pytest.approx(1, abs=0.01))
    assert found.silent_lips > 0
    assert disagreements(found) == []


def test_lips_that_meet_in_a_pause_follow_their_sound(tmp_path):
    resting = lips(1)
    resting.opening[:40] = 0
    found = judge_lips(resting, lips(3), Sounds(sound(tmp_path, 1)))
    assert found["openness_corr"] == pytest.approx(1)


def test_nothing_is_said_of_what_was_not_seen(tmp_path):
    sounds = Sounds(sound(tmp_path, 1), sound(tmp_path, 2))
    found = judge_lips(Lips.none(PLACES), Lips.none(PLACES), sounds)
    assert all(value is None for value in found.values())
    assert disagreements(score(**found)) == []


@pytest.mark.parametrize(
    ("values", "offset", "said"),
    [
        (
            {"openness_corr": 0.2, "openness_corr_other": 0.15},
            0,
            "follow its own sound (r 0.20) no more than another one (r 0.15)",
        ),
        ({"openness_corr": 0.2, "openness_corr_other": 0.15}, 4, None),
        ({"openness_corr": 0.4, "openness_corr_other": 0.1}, 0, None),
        ({"sync_cosine": 0.08, "sync_cosine_other": 0.06}, 1, "(cosine 0.08) no better than another one (0.06)"),
        ({"sync_cosine": 0.3, "sync_cosine_other": 0.06}, 1, None),
        (
            {"sync_cosine": 0.3, "sync_cosine_other": 0.0, "sync_cosine_lag": 1},
            -6,
            "scorer finds sound and picture 6 frames apart",
        ),
        ({"sync_cosine": 0.3, "sync_cosine_other": 0.0, "sync_cosine_lag": 4}, -6, None),
        ({"sync_cosine": 0.03, "sync_cosine_other": 0.0, "sync_cosine_lag": 0}, -6, None),
        ({"leak": 0.8}, None, "repeat the source's (r 0.80)"),
        ({"leak": 0.3}, None, None),
        (
            {"openness_corr": 0.7, "openness_corr_other": 0.0, "openness_corr_real": 0.4},
            0,
            "more regular than real speech",
        ),
    ],
)
def test_where_a_score_and_a_judge_disagree(values, offset, said):
    found = disagreements(score(offset, **values))
    assert (said in found[0]) if said else found == []
