"""Turns by what mouths and voices say: who speaks, when nobody in view does, and what cannot be told."""

from dataclasses import replace

import numpy as np
import pytest
from faces.test_talking import PLACES, course, mouths, same, sound

from lipsync_ray.faces.speaking import (
    NOBODY,
    USUAL,
    by_mouths,
    by_voices,
    decide,
    viterbi,
    without_short,
    without_silence,
)
from lipsync_ray.faces.talking import RATE, AudioFeatures, Evidence, MouthTrack, runs_of
from lipsync_ray.media.time_series import equal_runs

TALKS, RESTS = (0.35, -2.9, 0.5), (0.0, -5.5, 0.0)  # sync, motion, follows


def evidence_of(*whose):
    """Evidence of persons, each with a (n,) course that is 1 where that one speaks."""
    courses = np.stack(whose)
    numbers = [np.where(courses == 1, talks, rests) for talks, rests in zip(TALKS, RESTS, strict=True)]
    return Evidence(numbers[0], numbers[0], numbers[1], numbers[2])


def heard_of(voice):
    voice = np.asarray(voice, np.float32)
    return AudioFeatures(
        np.zeros((len(voice), 4), np.float32), np.zeros(len(voice), np.float32), voice, np.zeros((len(voice), 4))
    )


def test_a_voice_out_of_view_is_not_that_of_a_listener_who_moves_the_lips():
    """Persons 0 and 1 are in view by turns; in the end 1 moves the lips a little while 0 is heard."""
    rng = np.random.default_rng(0)
    first = np.isin(np.arange(300) // 50, (0, 2, 4, 5))
    visible = np.stack((first, ~first))
    visible[:, 250:] = [[False], [True]]
    timbre = np.where(first[:, None], 1.5, -1.5) + rng.normal(size=(300, 8))
    shown = evidence_of(visible[0] & first, visible[1] & ~first)
    shown.sync[1, 250:], shown.motion[1, 250:], shown.follows[1, 250:], shown.brief[1, 250:] = 0.12, -3.0, 0.1, 0.17
    heard = replace(heard_of(np.ones(300)), timbre=timbre)
    assert (by_mouths(shown, visible, heard, USUAL)[255:] == 1).mean() > 0.9
    found, _ = by_voices(shown, visible, heard, USUAL)
    assert (found[255:] == NOBODY).all()
    assert np.mean(found[:250] == np.where(first[:250], 0, 1)) > 0.95


def test_the_likeliest_course_changes_where_it_pays():
    said = np.zeros((20, 2))
    said[:10, 0] = 1.0
    said[10:, 1] = 1.0
    assert viterbi(said, np.full(20, 4.0)).tolist() == [0] * 10 + [1] * 10
    assert viterbi(said, np.full(20, 12.0)).tolist() in ([0] * 20, [1] * 20)


def test_a_course_of_no_place_has_no_turn():
    assert viterbi(np.zeros((0, 3)), np.zeros(0)).tolist() == []
    assert equal_runs(np.zeros(0, np.int64)) == []


def test_turns_that_are_too_short_are_nobodys():
    course = np.array([0] * 12 + [1] * 3 + [NOBODY] * 5)
    assert without_short(course, 10).tolist() == [0] * 12 + [NOBODY] * 8


def test_two_people_take_turns():
    first = (np.arange(150) // 50) % 2 == 0
    found = by_mouths(evidence_of(first, ~first), np.ones((2, 150), bool), heard_of(np.ones(150)), USUAL)
    assert np.mean(found == np.where(first, 0, 1)) > 0.98


def test_a_voice_that_goes_with_nobody_in_view_is_nobodys():
    talks = np.arange(150) < 60
    found = by_mouths(evidence_of(talks), np.ones((1, 150), bool), heard_of(np.ones(150)), USUAL)
    assert (found[:58] == 0).all()
    assert (found[63:] == NOBODY).all()


def test_who_is_not_in_view_does_not_speak():
    talks = np.ones(150)
    visible = np.ones((1, 150), bool)
    visible[0, 70:] = False
    found = by_mouths(evidence_of(talks), visible, heard_of(np.ones(150)), USUAL)
    assert (found[:70] == 0).all()
    assert (found[70:] == NOBODY).all()


def test_a_short_pause_is_inside_a_turn_and_a_long_silence_is_not():
    there = np.ones(300, bool)
    there[50:80] = False
    there[120:280] = False
    found = without_silence(np.zeros(300, np.int64), there, 40)
    assert (found[:125] == 0).all()
    assert (found[125:275] == NOBODY).all()
    assert (found[275:] == 0).all()


def test_a_pause_does_not_end_a_turn():
    voice = np.ones(150)
    voice[50:65] = 0
    found = by_mouths(evidence_of(np.ones(150)), np.ones((1, 150), bool), heard_of(voice), USUAL)
    assert (found == 0).all()


def conversation():
    """The decision on two people who take turns, numbers 4 and 7 of the face table; their mouths, and the places of the first."""
    first = (np.arange(PLACES) // 50) % 2 == 0
    points = course(1)
    still = np.repeat(course(5, 1), PLACES, axis=0)
    shown = [np.where(own[:, None], points, still) for own in (first, ~first)]
    heard = sound(points)
    return runs_of(mouths(*shown), {0: 0, 1: 1}, heard, same), heard, first


def test_a_decision_is_turns_of_persons_in_seconds():
    runs, heard, first = conversation()
    found = decide(runs, np.array([4, 7]), np.ones((2, PLACES), bool), heard)
    assert found.untold == ""
    assert found.late_s == 0
    said = np.full(PLACES, NOBODY)
    for turn in found.turns:
        said[round(turn.start_s * RATE) : round(turn.end_s * RATE)] = turn.person
        assert 0.5 <= turn.confidence <= 1
    assert np.mean(said == np.where(first, 4, 7)) > 0.9


@pytest.mark.parametrize(("voice", "said"), [(0.0, "nobody speaks in its sound"), (1.0, "no mouth could be followed")])
def test_what_cannot_be_told_is_said(voice, said):
    runs: list[MouthTrack] = [] if voice else conversation()[0]
    found = decide(runs, np.array([4, 7]), np.ones((2, PLACES), bool), sound(course(1), voice))
    assert (found.turns, found.untold) == ((), said)
