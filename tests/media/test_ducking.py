"""How far a background is lowered, and when."""

import numpy as np
import pytest
from clips import tone

from lipsync_ray.media.ducking import ATTACK_S, HOLD_S, PER_S, RELEASE_S, Ducking, VoiceLevels, depth
from lipsync_ray.media.loudness import LoudnessMeter

RATE = 48_000


def heard_in(sound, rate=RATE, pieces=1):
    levels, meter = VoiceLevels(rate, sound.shape[1]), LoudnessMeter()
    for piece in np.array_split(sound, pieces, axis=1):
        levels.add(piece)
        meter.add(rate, piece)
    return levels.heard(meter.loudness())


def spoken(*spans, seconds=4.0, rate=RATE):
    """(1, n) a tone in these spans, and silence."""
    sound = tone(seconds, rate)
    times = np.arange(len(sound)) / rate
    return np.where(np.any([(a <= times) & (times < b) for a, b in spans], axis=0), sound, 0)[None].astype(np.float32)


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("gain", [0.01, 1.0])
def test_a_voice_is_heard_where_it_sounds_however_loud_it_is(rate, gain):
    found = heard_in(gain * spoken((1, 2), rate=rate), rate)
    assert found[100:200].all()
    assert not found[:99].any()
    assert not found[201:].any()


def test_pieces_do_not_matter():
    sound = spoken((0.5, 1.2), (2, 3))
    assert (heard_in(sound) == heard_in(sound, pieces=37)).all()


def test_noise_far_below_the_voice_is_none():
    rng = np.random.default_rng(0)
    sound = spoken((1, 2)) + (0.5 * 10 ** (-40 / 20) * rng.standard_normal((1, 4 * RATE))).astype(np.float32)
    assert not heard_in(sound)[210:].any()


def test_silence_lowers_nothing():
    assert not heard_in(np.zeros((1, RATE), np.float32)).any()
    assert (Ducking(np.zeros(100, bool), 12, RATE).factor(0, RATE) == 1).all()
    assert (Ducking(np.ones(100, bool), 0, RATE).factor(0, RATE) == 1).all()


def test_it_is_down_when_a_word_begins_and_back_after_hold_and_release():
    heard = np.zeros(400, bool)
    heard[100:200] = True
    found = depth(heard)
    assert found[: 100 - round(ATTACK_S * PER_S)].max() == 0
    assert found[95] == pytest.approx(0.5)
    assert found[100 : 200 + round(HOLD_S * PER_S) + 1].min() == 1
    back = 200 + round((HOLD_S + RELEASE_S) * PER_S)
    assert found[back:].max() == 0
    assert found[200 + round((HOLD_S + RELEASE_S / 2) * PER_S)] == pytest.approx(0.5, abs=0.02)


def test_a_short_pause_stays_down():
    heard = np.zeros(300, bool)
    heard[100:120] = heard[145:160] = True
    assert depth(heard)[100:160].min() == 1


def test_the_factor_is_the_asked_decibels_and_has_no_step():
    heard = np.zeros(400, bool)
    heard[100:200] = True
    factor = Ducking(heard, 12, RATE).factor(0, 4 * RATE)
    assert factor[round(1.5 * RATE)] == pytest.approx(10 ** (-12 / 20))
    assert factor[0] == factor[-1] == 1
    steps = np.abs(np.diff(20 * np.log10(factor)))
    assert steps.max() <= 12 / (ATTACK_S * RATE) * 1.1
    halves = np.concatenate(
        (Ducking(heard, 12, RATE).factor(0, 70_001), Ducking(heard, 12, RATE).factor(70_001, 4 * RATE))
    )
    assert (halves == factor).all()
