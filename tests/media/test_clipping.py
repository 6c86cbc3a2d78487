"""Samples that are cut off: found, and drawn anew."""

import numpy as np
import pytest

from lipsync_ray.media.clipping import Levels, declipped

RATE = 16_000


def voice(seconds=2.0):
    """Something like one: a falling pitch, its overtones, syllables."""
    t = np.arange(round(seconds * RATE)) / RATE
    phase = 2 * np.pi * (140 * t - 10 * t * t)
    tones = sum(np.sin(k * phase + k) / k for k in range(1, 12))
    return (0.2 * tones * (0.55 + 0.45 * np.sin(2 * np.pi * 4 * t))).astype(np.float32)


def clipping_of(samples):
    levels = Levels()
    for part in np.array_split(samples, 7):
        levels.add(part)
    return levels.clipping()


@pytest.mark.parametrize("scale", [1.0, 0.01, 3.0])
def test_it_is_found_whatever_was_done_to_the_level_afterwards(scale):
    plain = voice()
    found = clipping_of(scale * np.clip(4 * plain, -1, 1))
    assert found.ceiling == pytest.approx(scale, rel=0.02)
    assert found.share == pytest.approx(float((np.abs(4 * plain) > 0.99).mean()), abs=0.01)


@pytest.mark.parametrize(
    "samples",
    [
        voice(),
        np.sin(2 * np.pi * 220 * np.arange(RATE) / RATE).astype(np.float32),
        np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32),
        np.zeros(RATE, np.float32),
        np.zeros(0, np.float32),
    ],
    ids=["voice", "full sine", "noise", "silence", "nothing"],
)
def test_what_is_whole_is_not_taken_for_it(samples):
    assert clipping_of(samples) is None


@pytest.mark.parametrize("ceiling", [0.6, 0.8, 0.95])
def test_a_repaired_peak_is_nearer_to_the_whole_one(ceiling):
    plain = (
        0.7 * np.sin(2 * np.pi * 200 * np.arange(RATE) / RATE) + 0.3 * np.sin(2 * np.pi * 410 * np.arange(RATE) / RATE)
    ).astype(np.float32)
    cut = np.clip(plain, -ceiling, ceiling)
    whole = np.concatenate(list(declipped([cut], 0.99 * ceiling)))
    assert np.square(whole - plain).mean() < 0.1 * np.square(cut - plain).mean()
    same = np.abs(cut) < 0.99 * ceiling
    assert np.array_equal(whole[same], cut[same])


def test_nothing_becomes_more_than_four_times_as_high():
    cut = np.clip(100 * voice(), -1, 1)
    assert np.abs(np.concatenate(list(declipped([cut], 0.99)))).max() <= 4


def test_pieces_do_not_matter():
    cut = np.clip(10 * voice(8), -1, 1)
    whole = np.concatenate(list(declipped([cut], 0.99)))
    parts = np.concatenate(list(declipped(np.array_split(cut, 50), 0.99)))
    assert len(parts) == len(cut)
    assert np.allclose(parts, whole, atol=1e-4)


def test_what_holds_nothing_else_stays():
    square = np.sign(np.sin(np.arange(1, RATE) / 10)).astype(np.float32)
    assert np.array_equal(np.concatenate(list(declipped([square], 0.99))), square)
    assert not list(declipped([], 0.99))
