"""Pieces cut out of a file's sound."""

from fractions import Fraction

import av
import numpy as np
import pytest
from clips import write_audio

from lipsync_ray.media.clips import cut_spans, wav_bytes


@pytest.fixture
def ramp(tmp_path):
    samples = (np.arange(40_000) % 20_000 / 32_768).astype(np.float32)
    write_audio(tmp_path / "a.wav", samples, 10_000)
    return str(tmp_path / "a.wav"), samples


def test_pieces_are_cut_to_the_sample(ramp):
    url, samples = ramp
    spans = [(Fraction(1, 10), Fraction(11, 10)), (Fraction(0), Fraction(1, 2)), (Fraction(35, 10), Fraction(9, 2))]
    rate, found = cut_spans(url, spans)
    assert rate == 10_000
    for piece, (low, high) in zip(found, ((1000, 11_000), (0, 5000), (35_000, 40_000)), strict=True):
        assert np.abs(piece[0] - samples[low:high]).max() < 1e-4
    assert cut_spans(url, [(Fraction(10), Fraction(11))])[1][0].shape == (1, 0)


def test_a_wav_holds_what_was_cut(ramp, tmp_path):
    url, _ = ramp
    rate, (piece,) = cut_spans(url, [(Fraction(0), Fraction(1))])
    (tmp_path / "b.wav").write_bytes(wav_bytes(piece, rate))
    with av.open(str(tmp_path / "b.wav")) as container:
        back = np.concatenate([f.to_ndarray() for f in container.decode(audio=0)], axis=1)
    assert np.abs(back[0] / 32_767 - piece[0]).max() < 1e-4
