"""Loudness by EBU R 128, and what brings a sound to a level."""

import numpy as np
import pytest
from clips import loudness_of

from lipsync_ray.media.loudness import MOST_GAIN_DB, LoudnessMeter, gain_db

RATE = 48_000


def sine(level_dbfs, seconds, rate=RATE):
    return (10 ** (level_dbfs / 20) * np.sin(2 * np.pi * 1000 * np.arange(round(seconds * rate)) / rate)).astype(
        np.float32
    )


def measured(*channels, rate=RATE, absolute=-70.0):
    meter = LoudnessMeter()
    meter.add(rate, np.stack(channels))
    return meter.loudness(absolute)


def test_a_stereo_sine_of_ebu_tech_3341():
    """Its case 1: 1 kHz at −23 dBFS in both channels is −23 LUFS ± 0.1."""
    assert measured(sine(-23, 3), sine(-23, 3)) == pytest.approx(-23, abs=0.1)


def test_quiet_parts_are_gated_as_in_ebu_tech_3341():
    """Its case 3, a fifth as long: −36, −23, −36 dBFS are −23 LUFS ± 0.1."""
    course = np.concatenate((sine(-36, 2), sine(-23, 12), sine(-36, 2)))
    assert measured(course, course) == pytest.approx(-23, abs=0.1)


@pytest.mark.parametrize("gain", [-80, -40, -20, 20, 30])
@pytest.mark.parametrize("rate", [8000, 16000, 44100, 96000])
def test_a_recording_turned_up_or_down_is_as_much_louder(gain, rate):
    speech = np.concatenate((sine(-20, 1, rate), sine(-60, 1, rate), sine(-14, 0.5, rate)))
    plain = loudness_of(rate, [speech])
    assert loudness_of(rate, [speech * np.float32(10 ** (gain / 20))]) == pytest.approx(plain + gain, abs=0.05)


def test_pieces_do_not_matter():
    course = np.concatenate((sine(-30, 0.7), sine(-12, 1.1)))
    whole = loudness_of(RATE, [course])
    assert loudness_of(RATE, np.split(course, [1, 500, 501, 30_000])) == pytest.approx(whole, abs=1e-3)
    assert loudness_of(RATE, [course[:100], course[:0], course[100:]]) == pytest.approx(whole, abs=1e-3)


def test_a_sound_that_is_shorter_than_a_block_is_as_loud_as_it_is_repeated():
    assert loudness_of(RATE, [sine(-20, 0.05)]) == pytest.approx(loudness_of(RATE, [sine(-20, 2)]), abs=0.1)
    assert loudness_of(RATE, [np.full(1, 0.5, np.float32)]) is not None  # of one sample, whatever that is


def test_silence_has_no_loudness_and_is_not_amplified():
    assert loudness_of(RATE, [np.zeros(RATE, np.float32)]) is None
    assert loudness_of(RATE, []) is None
    assert gain_db(None, -17) == 0


def test_what_is_added_is_bounded():
    assert gain_db(-23, -17) == 6
    assert gain_db(3, -17) == -20
    assert gain_db(-118, -17) == MOST_GAIN_DB
