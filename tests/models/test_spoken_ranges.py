"""Where somebody speaks: the rules on made probabilities, the whole on the demo's speech and on sounds without a voice."""

from importlib import resources

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipsync_ray.media.audio import SoundTrack, speech_blocks
from lipsync_ray.models.spoken_ranges import Spoken, gain, is_voiced, spoken_in, voiced_ranges

RATE = 16_000
RANDOM = np.random.default_rng(0)


def coloured(exponent, seconds=4):
    count = seconds * RATE
    falls = np.maximum(np.fft.rfftfreq(count, 1 / RATE), 20) ** exponent
    noise = np.fft.irfft(np.fft.rfft(RANDOM.standard_normal(count)) / falls, count)
    return (0.1 * noise / noise.std()).astype(np.float32)


def chords(seconds=4):
    time = np.arange(seconds * RATE) / RATE
    fades = np.exp(-3 * (time % 1))
    return (0.1 * sum(fades * np.sin(2 * np.pi * f * k * time) / k for f in (220, 277, 330) for k in (1, 2, 3))).astype(
        np.float32
    )


@pytest.fixture(scope="module")
def speech():
    path = str(resources.files("lipsync_ray.demo") / "data" / "en.ogg")
    return np.concatenate(list(speech_blocks(SoundTrack(path))))


def test_a_voice_lasts_until_one_is_unlikely():
    found = is_voiced(np.array([0.4, 0.6, 0.4, 0.36, 0.34, 0.4, 0.5], np.float32))
    assert found.tolist() == [False, True, True, True, False, False, True]


def test_stretches_are_parted_by_long_pauses_and_are_long_enough():
    probability = np.zeros(400, np.float32)
    for start, stop in ((10, 20), (60, 70), (200, 230), (300, 304)):  # pauses of 1.3, 4 and 2.2 s; the last is 0.13 s
        probability[start:stop] = 1
    assert voiced_ranges(probability).tolist() == [[10, 70], [200, 230]]
    assert voiced_ranges(np.zeros(9, np.float32)).shape == (0, 2)


@given(
    st.lists(st.tuples(st.integers(0, 50_000), st.integers(1, 50_000)), min_size=1, max_size=6),
    st.floats(0, 30),
    st.floats(0, 30),
)
def test_what_is_said_is_inside_the_stretches(parts, start_s, length_s):
    pauses, lengths = (np.array(numbers) for numbers in zip(*parts, strict=True))
    starts = np.cumsum(pauses) + np.cumsum(lengths) - lengths
    spoken = Spoken(np.zeros(lengths.sum(), np.float32), starts, lengths, 1.0)
    found = spoken.span(start_s, start_s + length_s)
    assert found[0] <= found[1]
    for at in (moment * RATE for moment in found):
        assert any(start - 1e-3 <= at <= start + length + 1e-3 for start, length in zip(starts, lengths, strict=True))
    assert spoken.span(1000, 1001) == ((starts[-1] + lengths[-1]) / RATE,) * 2


@pytest.mark.parametrize(
    ("said", "where"),
    [
        ((0.0, 1.5), (0.0, 1.5)),  # in the first stretch: 0 to 3 s, of which 0.4 s are padding
        ((3.0, 6.0), (10.0, 13.0)),  # in the second, from 10 s on
        ((3.5, 9.0), (10.5, 13.0)),  # … and beyond the end
        ((1.0, 3.0), (1.0, 3.0)),
        ((1.0, 3.3), (1.0, 3.0)),  # ends in the padding of the second
        ((2.3, 4.5), (10.0, 11.5)),  # begins in the padding of the first, or with hardly a voice
        ((1.0, 4.5), (1.0, 11.5)),  # is said across the pause
    ],
)
def test_a_phrase_is_put_on_its_side_of_a_cut(said, where):
    spoken = Spoken(np.zeros(6 * RATE, np.float32), np.array([0, 10 * RATE]), np.array([3 * RATE, 3 * RATE]), 1.0)
    assert spoken.span(*said) == pytest.approx(where)


def test_the_level_is_of_the_speech_and_not_of_the_pauses(speech):
    alone = gain(speech)
    pause = np.zeros(60 * RATE, np.float32)
    assert gain(np.concatenate((pause, speech, pause))) == pytest.approx(alone, rel=0.15)
    assert gain(speech * 1e-3) == pytest.approx(alone * 1e3, rel=1e-3)
    assert gain(pause) == gain(pause[:0]) == 1.0


@pytest.mark.parametrize("decibels", [-70, -40, -20, 0, 20])
def test_speech_is_found_at_any_level_and_where_it_is(speech, decibels):
    pause = np.zeros(5 * RATE, np.float32)
    found = spoken_in(np.concatenate((pause, speech, pause)) * np.float32(10 ** (decibels / 20)))
    whole = spoken_in(speech)
    assert found.voice_s == pytest.approx(whole.voice_s, abs=0.3)
    assert found.span(0.4, 1)[0] == pytest.approx(5 + whole.span(0.4, 1)[0], abs=0.5)
    assert len(found.samples) == found.lengths.sum() < len(speech) + RATE
    loudest = np.sqrt(np.square(found.samples).mean())
    assert 0.03 < loudest < 0.2


@pytest.mark.parametrize(
    "sound",
    [
        np.zeros(3 * RATE, np.float32),
        np.zeros(3, np.float32),
        *(coloured(exponent) for exponent in (0, 0.5, 1)),
        (0.3 * np.sin(np.arange(3 * RATE) * 0.05)).astype(np.float32),
        chords(),
    ],
    ids=["silence", "short", "white", "pink", "brown", "hum", "chords"],
)
def test_nobody_speaks(sound):
    assert spoken_in(sound) is None
    assert spoken_in(sound * np.float32(0.01)) is None
