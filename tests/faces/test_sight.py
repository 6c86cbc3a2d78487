"""Where a mouth is visible: single frames are not believed, and what is drawn comes and goes softly."""

import numpy as np
import pytest

from lipsync_ray.faces.sight import FADE, Sight, sight_of


def scenes(*lengths):
    return np.repeat(np.arange(len(lengths)), lengths).astype(np.int32)


def probability(hidden, frames=60, low=0.02, high=0.95):
    out = np.full(frames, high, np.float32)
    out[list(hidden)] = low
    return out


def test_a_covered_stretch_is_hidden_from_its_first_to_its_last_frame():
    sight = sight_of(probability(range(20, 40)), scenes(60))
    assert np.flatnonzero(sight.hidden).tolist() == list(range(20, 40))


@pytest.mark.parametrize("frames", [(30,), (30, 31), (10, 30, 50)])
def test_single_frames_are_not_believed(frames):
    assert not sight_of(probability(frames), scenes(60)).hidden.any()


def test_a_glimpse_between_two_fingers_stays_hidden():
    hidden = [*range(20, 30), *range(34, 44)]
    assert np.flatnonzero(sight_of(probability(hidden), scenes(60)).hidden).tolist() == list(range(20, 44))


def test_doubt_keeps_what_was():
    visible = np.repeat(np.array((0.15, 0.05, 0.15, 0.9), np.float32), 30)
    visible[:10] = 0.9
    hidden = sight_of(visible, scenes(120)).hidden
    assert np.flatnonzero(hidden).tolist() == list(range(30, 90))


def test_scenes_do_not_take_part_in_each_other():
    visible = probability(range(30, 60))
    hidden = sight_of(visible, scenes(30, 30)).hidden
    assert np.flatnonzero(hidden).tolist() == list(range(30, 60))
    strength = sight_of(visible, scenes(30, 30)).strengths()
    assert strength[29] == 1, "beside a cut nothing pops, so nothing fades"


def test_frames_without_a_look_take_the_nearest_one():
    visible = probability(range(20, 40))
    visible[38:42] = np.nan
    hidden = sight_of(visible, scenes(60)).hidden
    assert np.flatnonzero(hidden).tolist() == list(range(20, 40))
    assert not sight_of(np.full(8, np.nan, np.float32), scenes(8)).hidden.any()


def test_what_is_drawn_comes_and_goes_within_a_few_frames():
    strength = sight_of(probability(range(20, 40)), scenes(60)).strengths()
    assert strength[20:40].tolist() == [0.0] * 20
    assert strength[: 20 - FADE].tolist() == [1.0] * (20 - FADE)
    down, up = strength[20 - FADE : 20], strength[40 : 40 + FADE]
    assert (np.diff(down) < 0).all()
    assert np.allclose(up, down[::-1])
    assert 0 < down[-1] < 0.2
    assert strength[0] == strength[-1] == 1, "the ends of a video are no gaps"


def test_frames_without_landmarks_and_without_a_face_fade_too():
    where = scenes(60)
    where[50:] = -1
    drawn = np.ones(60, bool)
    drawn[10:15] = False
    strength = Sight(np.zeros(60, bool), where).strengths(drawn)
    assert strength[10:15].tolist() == [0.0] * 5
    assert strength[50:].tolist() == [0.0] * 10
    assert 0 < strength[9] < strength[8] < 1
    assert 0 < strength[49] < strength[48] < 1


def test_it_survives_being_stored():
    sight = sight_of(probability(range(20, 40)), scenes(30, 30))
    again = Sight.from_bytes(sight.to_bytes())
    np.testing.assert_array_equal(again.hidden, sight.hidden)
    np.testing.assert_array_equal(again.scenes, sight.scenes)
