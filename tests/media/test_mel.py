from fractions import Fraction

import numpy as np
import pytest
from filled import golden
from hypothesis import given, settings
from hypothesis import strategies as st

from lipsync_ray.media import mel
from lipsync_ray.models.lip_sync import AudioWindow


def speechlike(n: int) -> np.ndarray:
    rng = np.random.default_rng(n)
    return (0.2 * rng.standard_normal(n)).astype(np.float32)


def test_equals_the_reference():
    reference = golden("wav2lip_mel")
    found = mel.mel_spectrogram(reference["samples"].astype(np.float32))
    assert found.shape == reference["mel"].shape
    assert np.abs(found - reference["mel"]).max() < 1e-3


@pytest.mark.parametrize("name", ["25", "24", "30", "30000_1001", "24000_1001", "60"])
def test_windows_start_where_the_reference_starts_them(name):
    reference = golden("wav2lip_windows")[f"fps_{name}"]
    rate = Fraction(*map(int, name.split("_")))
    starts = np.array([AudioWindow("mel", mel.COLUMNS_PER_S, 16).first(frame, rate) for frame in range(len(reference))])
    clamped = np.minimum(starts, 321 - 16)
    assert clamped.tolist() == reference.tolist()


def test_windows_hold_the_columns_they_start_at():
    columns = np.arange(40, dtype=np.float32)[:, None].repeat(mel.BANDS, 1)
    out = mel.windows(columns, np.array([-3, 0, 10, 30]), 0, 40)
    assert out.shape == (4, 80, 16)
    assert out[0, 0].tolist() == [-4.0] * 3 + list(range(13))
    assert out[1, 5].tolist() == list(range(16))
    assert out[2, 79].tolist() == list(range(10, 26))
    assert out[3, 0].tolist() == list(range(24, 40))  # moved back, as the original does at the end


def test_windows_of_a_stretch_equal_those_of_the_whole():
    columns = speechlike(100 * mel.BANDS).reshape(100, mel.BANDS)
    starts = np.array([50, 53, 57])
    whole = mel.windows(columns, starts, 0, 100)
    assert np.array_equal(mel.windows(columns[50:73], starts, 50, 100), whole)


def test_a_clip_shorter_than_a_window_is_followed_by_silence():
    columns = np.ones((5, mel.BANDS), np.float32)
    out = mel.windows(columns, np.array([0]), 0, 5)
    assert out[0, 0].tolist() == [1.0] * 5 + [-4.0] * 11


def test_silence_is_exactly_minus_four():
    assert (mel.mel_spectrogram(np.zeros(16_000, np.float32)) == mel.SILENCE).all()


@settings(max_examples=25)
@given(st.integers(0, 5000), st.lists(st.integers(0, 5000), max_size=5), st.sampled_from([4, 64, 4096]))
def test_pieces_do_not_change_it(n, cuts, block):
    samples = speechlike(n)
    original = mel._BLOCK_COLUMNS
    mel._BLOCK_COLUMNS = block
    try:
        cut_spans = np.split(samples, sorted(min(cut, n) for cut in cuts))
        found = np.concatenate(list(mel.mel_blocks(cut_spans)))
    finally:
        mel._BLOCK_COLUMNS = original
    assert found.shape == (mel.columns_of(n), mel.BANDS)
    assert np.array_equal(found, mel.mel_spectrogram(samples).T)
