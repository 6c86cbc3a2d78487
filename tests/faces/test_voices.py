"""Voices are told apart by where they are known, and wrong labels do not confirm themselves."""

import numpy as np

from lipsync_ray.faces.voices import UNKNOWN, VoiceRules, voices

RULES = VoiceRules()
VOICED = np.ones(400, bool)


def two_voices(seed=0, places=400):
    """Timbre of two voices that take turns of fifty places, and whose each place is."""
    rng = np.random.default_rng(seed)
    whose = (np.arange(places) // 50) % 2
    middles = rng.normal(size=(2, 12))
    return middles[whose] + rng.normal(size=(places, 12)), whose


def test_places_without_a_label_go_to_the_voice_that_they_sound_like():
    timbre, whose = two_voices()
    labels = np.where(np.arange(400) < 200, whose, UNKNOWN)
    found = voices(timbre, labels, 3, RULES, VOICED)
    assert found.shape == (400, 3)
    inside = np.arange(400) % 50 > 4
    assert (found[200:].argmax(axis=1) == whose[200:])[inside[200:]].mean() > 0.95
    assert not found[:, 2].any()  # a voice that nobody knows


def test_a_wrong_label_is_contradicted():
    timbre, whose = two_voices()
    labels = whose.copy()
    labels[100:150] = 1  # of voice 0
    found = voices(timbre, labels, 2, RULES, VOICED)
    assert found[105:145, 0].mean() > found[105:145, 1].mean() + 0.2


def test_of_one_voice_whatever_else_is_heard_is_the_others():
    timbre, whose = two_voices()
    labels = np.where(whose == 0, 0, UNKNOWN)
    found = voices(timbre, labels, 3, RULES, VOICED)
    assert (found[:, 1] == found[:, 2]).all()
    inside = np.arange(400) % 50 > 4
    assert ((found[:, 0] > found[:, 1]) == (whose == 0))[inside].mean() > 0.95


def test_of_one_voice_alone_nothing_is_said():
    timbre, whose = two_voices()
    labels = np.where(whose == 0, 0, UNKNOWN)
    assert not voices(timbre, labels, 2, RULES, whose == 0).any()
    assert not voices(timbre, np.full(400, UNKNOWN), 2, RULES, VOICED).any()


def test_a_place_does_not_say_more_than_it_may():
    timbre, whose = two_voices()
    assert np.abs(voices(100 * timbre, whose, 2, RULES, VOICED)).max() <= RULES.most
