"""A limiter of true peaks."""

import numpy as np
import pytest

from lipsync_ray.media.limiter import ATTACK_S, RELEASE_DB_PER_S, Excess, limited
from lipsync_ray.media.loudness import LoudnessMeter, decibels, factor
from lipsync_ray.media.sound_store import BLOCK, SoundStore


def stored(samples, rate):
    store = SoundStore(rate, *samples.shape)
    store.write(0, samples.astype(np.float32))
    return store


def whole(store, *more):
    return np.concatenate(list(limited(store, *more)), axis=1)


def peak_of(sound, rate):
    meter = LoudnessMeter(peaks=True)
    meter.add(rate, sound)
    return decibels(meter.true_peak())


def swelling(rate, seconds=3.0):
    """A sine whose samples miss its peaks, from silence to twice full scale."""
    times = np.arange(round(rate * seconds)) / rate
    return 2 * np.minimum(1, times) * np.sin(2 * np.pi * rate / 4 * times + np.pi / 4)


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000])
@pytest.mark.parametrize("ceiling", [-1.0, -9.0])
def test_peaks_between_samples_are_limited(rate, ceiling):
    with stored(swelling(rate)[None], rate) as store:
        out = whole(store, 1.0, factor(ceiling))
    assert peak_of(out, rate) == pytest.approx(ceiling, abs=0.05)


def test_what_is_below_the_ceiling_is_unchanged():
    rng = np.random.default_rng(0)
    sound = (0.02 * rng.standard_normal((2, 100_000))).astype(np.float32)
    with stored(sound, 48_000) as store:
        assert (whole(store, 1.0, factor(-1)) == sound).all()
        assert (whole(store, 2.0, None) == 2 * sound).all()


def test_all_channels_are_lowered_together():
    rng = np.random.default_rng(0)
    sound = np.stack([swelling(48_000), 0.05 * rng.standard_normal(144_000)]).astype(np.float32)
    with stored(sound, 48_000) as store:
        ratio = whole(store, 1.0, factor(-1))[1] / sound[1]
    assert ratio.max() <= 1
    assert ratio[-4000:-2000] == pytest.approx(np.full(2000, factor(-1) / 2), rel=1e-2)


def test_the_gain_falls_within_five_milliseconds_and_rises_slowly():
    sound = np.full((1, 96_000), 1e-3, np.float32)
    sound[0, 48_000:48_480:2], sound[0, 48_001:48_480:2] = 1.5, -1.5
    with stored(sound, 48_000) as store:
        gain = 20 * np.log10(whole(store, 1.0, 1.0)[0] / sound[0])
    assert gain[: 48_000 - round(ATTACK_S * 48_000) - 64].min() > -0.01
    assert gain[48_240] < -3.4
    down = -gain[48_480]
    back = 48_480 + round(down / RELEASE_DB_PER_S * 48_000)
    assert gain[back + 600 :].min() > -0.01
    assert gain[48_480 + 300] < -down / 2


def test_blocks_do_not_show():
    """A peak beside the border of two pieces is limited as elsewhere."""
    for place in (BLOCK - 100, BLOCK - 1, BLOCK, BLOCK + 100):
        sound = np.full((1, 2 * BLOCK), 0.1, np.float32)
        sound[0, place - 30 : place + 30] = 1.5 * np.hanning(60)
        moved = np.roll(sound, 16 * 1000, axis=1)
        with stored(sound, 48_000) as store, stored(moved, 48_000) as other:
            gain = whole(store, 1.0, 0.5)[0] / sound[0].clip(1e-9)
            shifted = whole(other, 1.0, 0.5)[0] / moved[0].clip(1e-9)
        near = slice(place - 1000, place + 8000)
        assert gain[near] == pytest.approx(np.roll(shifted, -16 * 1000)[near], abs=1e-5)


def test_where_an_encoder_exceeds_the_ceiling_is_lowered_further():
    sound = np.full((1, 48_000), 0.1, np.float32)
    decoded = sound.copy()
    decoded[0, 20_000:20_040] = 1.0 * np.hanning(40)
    with stored(sound, 48_000) as store, stored(decoded, 48_000) as found:
        excess = Excess.none().more(found, factor(-1), 48_000)
        again = excess.more(found, factor(-1), 48_000)
        gain = 20 * np.log10(whole(store, 1.0, factor(-1), excess)[0] / sound[0])
        lower = 20 * np.log10(whole(store, 1.0, factor(-1), again)[0] / sound[0])
    assert -2 < gain[20_020] < -1
    assert lower[20_020] == pytest.approx(2 * gain[20_020], abs=0.05)
    assert gain[:15_000].min() == gain[30_000:].min() == 0


def test_an_excess_is_placed_by_time_where_the_sample_rates_differ():
    decoded = np.zeros((1, 48_000), np.float32)
    decoded[0, 24_000:24_040] = 2.0
    with stored(decoded, 48_000) as found:
        groups = Excess.none().more(found, 1.0, 16_000).groups * 16 / 16_000
    assert groups.min() < 0.5 < groups.max()
    assert groups == pytest.approx(np.full(len(groups), 0.5), abs=0.03)
