"""Windowed statistics: missing values are left out, and no result depends on distant values."""

import numpy as np
import pytest

from lipsync_ray.media.time_series import averaged, correlated, mean_of_known, spread


def test_an_average_is_that_of_the_known_places_around():
    course = np.array([1.0, 2.0, np.nan, 4.0, 6.0])
    assert averaged(course, 5).tolist() == pytest.approx([np.nan, 7 / 3, 13 / 4, 4.0, np.nan], nan_ok=True)


def test_of_few_known_places_none_is_told():
    course = np.full(40, np.nan)
    course[20:25] = 1.0
    assert np.isnan(averaged(course, 25)).all()
    course[20:28] = 1.0
    assert averaged(course, 25)[24] == 1.0


def test_a_table_is_averaged_column_by_column():
    table = np.stack((np.arange(9.0), np.full(9, np.nan)), axis=1)
    found = averaged(table, 3)
    assert found[4].tolist() == pytest.approx([4.0, np.nan], nan_ok=True)


def test_what_lies_far_away_changes_no_bit():
    rng = np.random.default_rng(0)
    course = rng.normal(size=200)
    other = course.copy()
    other[:50] = 1e9
    assert np.array_equal(averaged(course, 25)[70:], averaged(other, 25)[70:])


def test_spread_and_correlation_are_numpys():
    rng = np.random.default_rng(1)
    a = rng.normal(size=101)
    b = 0.5 * a + rng.normal(size=101)
    a[40] = np.nan
    around = slice(38, 63)
    known = ~np.isnan(a[around])
    assert spread(a, 25)[50] == pytest.approx(a[around][known].std())
    r = np.corrcoef(a[around][known], b[around][known])[0, 1]
    assert correlated(a, b, 25)[50] == pytest.approx(r, abs=1e-3)


def test_a_course_that_does_not_move_correlates_with_nothing():
    rng = np.random.default_rng(2)
    assert np.abs(correlated(np.full(50, 0.1), rng.normal(size=50), 25)).max() < 1e-3


def test_rows_of_which_nothing_is_known_have_no_mean():
    rows = np.array([[1.0, np.nan, 3.0], [np.nan] * 3])
    assert mean_of_known(rows).tolist() == pytest.approx([2.0, np.nan], nan_ok=True)
