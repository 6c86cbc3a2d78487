"""What mouths do beside a sound: the lag of a video is found, and whose mouth goes with it."""

import numpy as np
import pytest

from lipsync_ray.faces.talking import AudioFeatures, MouthSamples, evidence, lag_of, lags_of, runs_of

PLACES = 200


def course(seed, places=PLACES, width=16):
    """(places, width) points of length one that change slowly."""
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(places + 4, width))
    points = sum(points[k : places + k] for k in range(5))
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


def sound(points, voice=1.0):
    opening = points[:, 0].astype(np.float32) / 10
    return AudioFeatures(points, opening, np.full(len(points), voice, np.float32), np.zeros((len(points), 4)))


def mouths(*shown):
    """Of tracks 0, 1, …, each a (places, width) course; rows by place."""
    place, track = np.meshgrid(np.arange(PLACES), np.arange(len(shown)), indexing="ij")
    seen = np.stack(shown, axis=1).reshape(-1, shown[0].shape[1])
    return MouthSamples(
        place.ravel().astype(np.int32), track.ravel().astype(np.int32), seen[:, 0] / 10, seen.astype(np.float16)
    )


def late(points, by):
    return np.roll(points, by, axis=0)


def same(seen):
    return seen


def test_mouths_are_read_back_and_joined():
    whole = mouths(course(1), course(2))
    parts = [
        MouthSamples(*(getattr(whole, name)[some] for name in ("place", "track", "opening", "seen")))
        for some in (slice(0, 120), slice(120, None))
    ]
    joined = MouthSamples.joined([MouthSamples.from_bytes(part.to_bytes()) for part in parts])
    for name in ("place", "track", "opening", "seen"):
        assert np.array_equal(getattr(joined, name), getattr(whole, name))
        assert getattr(joined, name).dtype == getattr(whole, name).dtype


@pytest.mark.parametrize(("moves", "steps", "said"), [(0.008, 200, False), (0.05, 2, False), (0.05, 40, True)])
def test_a_mouth_that_moves_as_in_speech_is_no_poster_s(moves, steps, said):
    opening = np.zeros(PLACES, np.float32)
    opening[20 : 20 + steps] = moves * np.random.default_rng(0).normal(size=min(steps, PLACES - 20))
    shown = mouths(course(1), course(2))
    shown.opening[shown.track == 1] = opening
    assert shown.opens_and_closes(1) == said
    assert not shown.of_tracks(np.array([0])).opens_and_closes(1)
    assert (shown.of_tracks(np.array([1])).track == 1).all()


@pytest.mark.parametrize("by", [-3, 0, 5])
def test_the_lag_of_a_video_is_found(by):
    heard = sound(course(1))
    runs = runs_of(mouths(course(2), late(course(1), by)), {0: 0, 1: 1}, heard, same)
    assert lag_of(runs, heard.voice) == by
    assert lag_of(runs, np.zeros(PLACES, np.float32)) == 0  # nobody speaks


def test_a_person_may_have_a_lag_of_the_own():
    heard = sound(course(1))
    runs = runs_of(mouths(late(course(1), 2), late(course(1), -3)), {0: 0, 1: 1}, heard, same)
    speaks = np.where(np.arange(PLACES) < 130, 0, 1)
    assert lags_of(runs, speaks, 2, 0).tolist() == [2, -3]
    assert lags_of(runs, np.full(PLACES, -1), 2, 4).tolist() == [4, 4]


def test_sync_is_that_of_the_mouth_which_goes_with_the_sound():
    heard = sound(course(1))
    runs = runs_of(mouths(course(2), course(1)), {0: 0, 1: 1}, heard, same)
    seen = evidence(runs, heard, np.zeros(2, np.int32))
    inside = slice(20, PLACES - 20)
    assert (seen.sync[1] > seen.sync[0] + 0.3)[inside].all()
    assert (seen.follows[1][inside] > 0.9).all()


def test_nothing_is_averaged_from_one_track_into_another():
    shown = course(1)
    heard = sound(shown)
    two = mouths(shown)
    cut = MouthSamples(two.place, (two.place >= 100).astype(np.int32), two.opening, two.seen)
    seen = evidence(runs_of(cut, {0: 0, 1: 0}, heard, same), heard, np.zeros(1, np.int32))
    other = MouthSamples(
        two.place, cut.track, two.opening, np.where(two.place[:, None] < 100, two.seen, np.float16(0.1))
    )
    changed = evidence(runs_of(other, {0: 0, 1: 0}, heard, same), heard, np.zeros(1, np.int32))
    assert np.array_equal(seen.sync[0, :100], changed.sync[0, :100], equal_nan=True)
    assert not np.array_equal(seen.sync[0, 100:], changed.sync[0, 100:], equal_nan=True)
