"""Correlations of courses: what a judge says, and when it says nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_ray.metrics import judges


def course(seed, length=300):
    return np.convolve(np.random.default_rng(seed).normal(size=length + 4), np.ones(5) / 5, "valid")


@given(st.integers(-judges.LAGS, judges.LAGS), st.floats(0.01, 5), st.floats(-3, 3))
def test_a_delay_is_found_whatever_the_scale(lag, scale, offset):
    sound = course(1, 400)
    lips = scale * np.roll(sound, lag) + offset
    found = judges.openness_at_lags(lips[20:380], sound[20:380])
    assert found.lag == lag
    assert found.best == pytest.approx(1)
    assert found.r <= found.best + 1e-9


def test_holes_do_not_matter():
    sound = course(2)
    lips = sound.copy()
    lips[40:90] = np.nan
    assert judges.correlation(lips, sound) == pytest.approx(1)
    assert judges.motion(2 * lips, sound) == pytest.approx(2)


def test_nothing_is_said_of_little_or_of_what_does_not_move():
    sound = course(3)
    assert judges.correlation(sound[:49], sound) is None
    assert judges.openness_at_lags(np.zeros(300), sound) is None
    assert judges.motion(sound, np.zeros(300)) is None
    assert judges.restlessness(sound, np.zeros(300, bool)) is None


def test_lips_of_another_sound_do_not_follow():
    assert abs(judges.correlation(course(4), course(5))) < 0.25


def test_rest_is_measured_in_silence_alone():
    lips = np.zeros(100)
    lips[50:] = np.tile([0, 1], 25)
    silent = np.arange(100) < 50
    assert judges.restlessness(lips, silent) == 0
    assert judges.restlessness(lips, ~silent) == 1
    assert judges.restlessness(lips[:0], silent) is None  # a video without a face


def test_agreement_is_the_mean_cosine_where_both_are_known():
    rng = np.random.default_rng(5)
    points = rng.normal(size=(120, 8))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    assert judges.sync_cosine(points, points) == pytest.approx(1)
    assert judges.sync_cosine(points, -points[:100]) == pytest.approx(-1)
    holes = points.copy()
    holes[30:100] = np.nan
    assert judges.sync_cosine(holes, points) == pytest.approx(1)
    holes[10:100] = np.nan
    assert judges.sync_cosine(holes, points) is None
    assert judges.sync_at_lags(holes, points) is None
    late = judges.sync_at_lags(points[:-5], points[5:])
    assert (late.lag, late.best) == (5, pytest.approx(1))
    assert late.r < 0.5
