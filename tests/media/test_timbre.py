"""Timbre tells spectra apart, not how loud they are."""

from fractions import Fraction

import numpy as np

from lipsync_ray.media.timbre import timbre

RATE = Fraction(25)


def test_places_are_beside_their_columns():
    columns = np.zeros((80, 80), np.float32)
    columns[40:, :40] = 1.0  # from half a second on
    found = timbre(columns, 30, RATE, 5)
    assert found.shape == (30, 5)
    assert np.abs(found[:12]).max() == 0
    assert np.abs(found[14]).max() > 1
    assert np.array_equal(found[25], found[29])  # beyond the end


def test_loudness_is_left_out():
    rng = np.random.default_rng(0)
    columns = rng.normal(size=(40, 80)).astype(np.float32)
    assert np.allclose(timbre(columns, 12, RATE, 18), timbre(columns + 2, 12, RATE, 18), atol=1e-4)


def test_no_sound_has_no_timbre():
    assert not timbre(np.zeros((0, 80), np.float32), 10, RATE, 18).any()
