"""How many frames can be drawn decides whether a row is a dub, and what it says."""

import numpy as np
import pytest

from lipsync_ray.jobs.dub.coverage import Counts, Coverage


def coverage(frames=100, faced=100, hidden=0, marked=100, others=0):
    place = np.arange(frames)
    return Coverage(
        place < faced, (place < faced) & (place < hidden), place >= frames - marked, place >= frames - others
    )


def test_frames_are_counted_as_the_output_shows_them():
    counts = coverage(faced=90, hidden=20, marked=70).counts(np.r_[0:100, 0:10])
    assert counts == Counts(faced=100, hidden=30, lost=10, faceless=20)
    assert counts.faced - counts.hidden - counts.lost + counts.hidden + counts.faceless == 110


@pytest.mark.parametrize(("hidden", "lost"), [(51, 0), (0, 51), (30, 21), (100, 0)])
def test_less_than_half_is_no_dub(hidden, lost):
    reason = Counts(100, hidden, lost, lost).too_few
    assert reason is not None
    assert f"only {100 - hidden - lost} of 100 frames" in reason
    assert ("before the mouth in" in reason) == bool(hidden)
    assert ("show no landmarks" in reason) == bool(lost)


def test_half_is_one_and_hidden_frames_are_said():
    assert Counts(100, 50, 0, 0).too_few is None
    assert Counts(100, 0, 50, 50).too_few is None
    assert Counts(100, 3, 0, 0).warning == (
        "something is before the mouth in 3 of 100 frames with the speaking face; they pass through"
    )
    assert Counts(100, 0, 3, 3).warning is None, "the mesh pass says that"


@pytest.mark.parametrize(("faced", "others"), [(0, 0), (0, 60), (20, 41)])
def test_a_dub_that_hardly_shows_the_speaker_is_none(faced, others):
    reason = coverage(faced=faced, others=others).counts(np.arange(100)).elsewhere
    assert reason is not None
    assert f"of the 100 frames that this sound lasts, {faced or 'none'} show the person" in reason
    assert ("other people alone" in reason) == bool(others)


@pytest.mark.parametrize(("faced", "others"), [(1, 0), (20, 40), (100, 0)])
def test_frames_without_anybody_pass_through(faced, others):
    assert coverage(faced=faced, others=others).counts(np.arange(100)).elsewhere is None
