"""Lines in their slots, mixed to one track."""

from fractions import Fraction

import numpy as np
import pytest
from clips import read_sound, tone, write_audio
from hypothesis import given
from hypothesis import strategies as st

from lipsync_ray.media import lines as module
from lipsync_ray.media.audio import SoundTrack, Span
from lipsync_ray.media.lines import PEAK, Fitted, Line, fitted, mixed, write_mix

RATE = 16_000


def line(folder, start, end, lasts, hertz=220.0, name=None, gain=1.0):
    path = folder / (name or f"{hertz}-{lasts}.wav")
    write_audio(path, gain * tone(lasts, RATE, hertz))
    return Line(SoundTrack(str(path)), Span(0, round(lasts * RATE)), RATE, Fraction(start), Fraction(end))


def mix(lines, fit="cut", most=1.3, lasts=4):
    how = [fitted(one, fit, most) for one in lines]
    blocks = list(mixed(lines, how, Fraction(lasts)))
    assert {rate for rate, _ in blocks} == {RATE}
    return np.concatenate([block for _, block in blocks], axis=1)


def loud(samples, threshold=0.02):
    """First and last second in which there is something to hear."""
    at = np.flatnonzero(np.abs(samples).max(0) > threshold)
    return at[0] / RATE, at[-1] / RATE


def pitch(samples):
    return np.argmax(np.abs(np.fft.rfft(samples * np.hanning(len(samples))))) * RATE / len(samples)


@pytest.mark.parametrize(
    ("lasts", "fit", "wanted"),
    [
        (1, "cut", Fitted(1.0, Fraction(2), Fraction(0))),
        (3, "cut", Fitted(1.0, Fraction(3), Fraction(1))),
        (3, "overlap", Fitted(1.0, Fraction(4), Fraction(0))),
        (Fraction(5, 2), "stretch", Fitted(1.25, Fraction(3), Fraction(0))),
        (3, "stretch", Fitted(1.25, Fraction(3), Fraction(2, 5))),
    ],
)
def test_how_a_line_comes_into_its_slot(lasts, fit, wanted):
    one = Line(SoundTrack("a"), Span(0, int(lasts * 1000)), 1000, Fraction(1), Fraction(3))
    assert fitted(one, fit, 1.25) == wanted


@given(st.fractions(Fraction(1, 10), 20), st.fractions(Fraction(1, 10), 20), st.sampled_from(("cut", "stretch")))
def test_no_line_leaves_its_slot_but_who_may(lasts, slot, fit):
    one = Line(SoundTrack("a"), Span(0, max(1, int(lasts * 1000))), 1000, Fraction(1), 1 + slot)
    how = fitted(one, fit, 1.3)
    assert how.end_s <= one.end_s
    assert 1 <= how.tempo <= 1.3
    assert how.cut_s >= 0


def test_a_line_sounds_in_its_slot_at_its_own_level(tmp_path):
    out = mix([line(tmp_path, 1, 2, 0.5)])
    assert out.shape == (2, 4 * RATE)
    begins, ends = loud(out)
    assert (begins, ends) == (pytest.approx(1, abs=0.01), pytest.approx(1.5, abs=0.01))
    assert np.abs(out[:, RATE : RATE + 8000] - tone(0.5, RATE)).max() < 1e-3


def test_what_is_too_long_is_cut_without_a_click(tmp_path):
    out = mix([line(tmp_path, 1, 2, 2.0)])
    assert loud(out)[1] == pytest.approx(2, abs=0.02)
    assert np.abs(np.diff(out[0])).max() < 0.05


def test_what_is_too_long_is_said_faster_at_its_pitch(tmp_path):
    out = mix([line(tmp_path, 1, 3, 2.5, 300.0)], "stretch")
    assert loud(out)[1] == pytest.approx(3, abs=0.05)
    assert pitch(out[0, RATE + 4000 : 3 * RATE - 4000]) == pytest.approx(300, abs=3)


def test_what_may_runs_on_and_is_added(tmp_path):
    first, second = line(tmp_path, 0, 1, 2.0, 220.0), line(tmp_path, 1, 2, 1.0, 330.0)
    alone = mix([first], "overlap"), mix([second], "overlap")
    assert np.allclose(mix([first, second], "overlap"), alone[0] + alone[1], atol=1e-6)


def test_together_they_do_not_exceed_full_scale(tmp_path):
    lines = [line(tmp_path, 0, 1, 1.0, 220.0, f"{n}.wav", gain=1.6) for n in range(3)]
    assert np.abs(mix(lines)).max() == pytest.approx(PEAK, abs=1e-3)
    assert np.abs(mix(lines[:1])).max() == pytest.approx(0.8, abs=1e-2)


def test_the_mix_lasts_as_long_as_asked_and_is_cut_there(tmp_path):
    assert mix([line(tmp_path, 3, 9, 3.0)]).shape == (2, 4 * RATE)
    assert not mix([line(tmp_path, 5, 9, 3.0)]).any()


def test_a_stretch_of_a_file(tmp_path):
    write_audio(tmp_path / "a.wav", np.concatenate((tone(1, RATE, 220.0), tone(1, RATE, 440.0))))
    one = Line(SoundTrack(str(tmp_path / "a.wav")), Span(RATE, 2 * RATE), RATE, Fraction(0), Fraction(2))
    assert pitch(mix([one])[0, :RATE]) == pytest.approx(440, abs=2)


def test_rates_differ(tmp_path):
    low, high = line(tmp_path, 0, 1, 1.0), tmp_path / "high.wav"
    write_audio(high, tone(1, 48_000, 440.0), 48_000)
    lines = [low, Line(SoundTrack(str(high)), Span(0, 48_000), 48_000, Fraction(1), Fraction(2))]
    blocks = list(mixed(lines, [fitted(one, "cut", 1.3) for one in lines], Fraction(2)))
    assert {rate for rate, _ in blocks} == {48_000}
    out = np.concatenate([block for _, block in blocks], axis=1)
    assert out.shape == (2, 96_000)
    assert np.abs(out[0, 24_000:28_000]).max() == pytest.approx(0.5, abs=0.01)


def test_the_file_holds_the_mix(tmp_path):
    lines = [line(tmp_path, 0.5, 2, 1.0)]
    write_mix(lines, [fitted(lines[0], "cut", 1.3)], Fraction(4), tmp_path / "mix.wav")
    samples, rate = read_sound(tmp_path / "mix.wav")
    assert rate == RATE
    assert np.allclose(samples.reshape(-1, 2).T, mix(lines), atol=1e-6)


def test_spans_of_one_recording_are_decoded_once(tmp_path, monkeypatch):
    whole = np.concatenate([tone(1.0, RATE, 200 + 100 * k) for k in range(5)])
    path = write_audio(tmp_path / "whole.flac", whole, RATE, "flac")
    spans = [Span(k * RATE, (k + 1) * RATE) for k in (3, 0, 1)]
    lines = [Line(SoundTrack(str(path)), span, RATE, Fraction(k), Fraction(k + 1)) for k, span in enumerate(spans)]
    alone = [mix([one]) for one in lines]
    opened = []
    blocks = module.audio.blocks
    monkeypatch.setattr(module.audio, "blocks", lambda *asked: opened.append(asked) or blocks(*asked))
    assert np.abs(mix(lines) - sum(alone)).max() < 1e-6
    assert opened == [(SoundTrack(str(path)), Span(0, 4 * RATE))]


def test_a_mix_at_a_rate_that_is_asked_for(tmp_path):
    one = line(tmp_path, 1, 2, 0.5)
    blocks = list(mixed([one], [fitted(one, "cut", 1)], Fraction(2), 8000))
    assert {rate for rate, _ in blocks} == {8000}
    out = np.concatenate([block for _, block in blocks], axis=1)
    assert out.shape == (2, 16_000)
    assert np.flatnonzero(np.abs(out).max(0) > 0.02)[[0, -1]] / 8000 == pytest.approx([1, 1.5], abs=0.01)
