"""From boxes to drawn_ranges."""

from fractions import Fraction

from lipsync_ray.io.results import Drawn
from lipsync_ray.media.picture import Box
from lipsync_ray.provenance.drawn_ranges import drawn_ranges

A, B = Box(10, 10, 20, 20), Box(30, 5, 41, 15)


def test_frames_that_follow_each_other_are_one_stretch():
    assert drawn_ranges([A, A, B], [0, 0, 0], Fraction(25)) == (Drawn(0.0, 0.12, 10, 4, 32, 16),)


def test_a_cut_begins_another_one():
    assert drawn_ranges([A, B], [0, 1], Fraction(2)) == (
        Drawn(0.0, 0.5, 10, 10, 10, 10),
        Drawn(0.5, 1.0, 30, 4, 12, 12),
    )


def test_less_than_a_second_without_a_face_is_no_gap():
    found = drawn_ranges([None, A, *[None] * 24, A, *[None] * 25, A], [0] * 53, Fraction(25))
    assert [(one.start_s, one.stop_s) for one in found] == [(0.04, 1.08), (2.08, 2.12)]


def test_nothing_drawn_is_nothing_said():
    assert drawn_ranges([None] * 5, [0] * 5, Fraction(25)) == ()
