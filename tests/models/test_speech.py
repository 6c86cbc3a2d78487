"""Whisper: loading, and long sound in pieces. With random numbers, so what it hears is nonsense, but always the same."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from material import random_whisper

from lipsync_ray.errors import CheckpointError, WeightsError
from lipsync_ray.models import registry, speech
from lipsync_ray.models.speech import SAMPLE_RATE, Transcriber, chunks


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return random_whisper(tmp_path_factory.mktemp("whisper") / "random.pt")


def noise(seconds):
    return np.random.default_rng(0).normal(0, 0.1, int(seconds * SAMPLE_RATE)).astype(np.float32)


def test_it_hears_the_same_twice(checkpoint):
    transcriber = Transcriber(checkpoint, "cpu")
    sound = noise(35)
    once, again = transcriber([sound]), transcriber(np.array_split(sound, 7))
    assert once == again
    assert 0 < once.probability <= 1
    assert once.phrases
    assert all(0 <= phrase.start_s <= phrase.end_s <= 35 for phrase in once.phrases)
    assert transcriber([sound], seed=1).phrases != once.phrases  # its first guess is poor: it samples
    assert once.english is not None
    assert once.english != once.phrases


def test_times_go_on_from_piece_to_piece(checkpoint, monkeypatch):
    monkeypatch.setattr(speech, "chunks", lambda sound: iter([noise(10), noise(10)]))
    starts = [phrase.start_s for phrase in Transcriber(checkpoint, "cpu")([]).phrases]
    assert starts == sorted(starts)
    assert starts[0] < 10 <= starts[-1]


def test_no_sound_is_an_error(checkpoint):
    with pytest.raises(ValueError, match="no sound"):
        Transcriber(checkpoint, "cpu")([])


@given(st.lists(st.integers(1, 40_000), max_size=12), st.integers(2, 5))
def test_chunks_are_the_whole_in_order_and_bounded(sizes, seconds):
    sound = [np.arange(size, dtype=np.float32) + 100_000 * i for i, size in enumerate(sizes)]
    found = list(chunks(iter(sound), seconds))
    assert np.array_equal(np.concatenate([*found, np.zeros(0)]), np.concatenate([*sound, np.zeros(0)]))
    assert all(len(chunk) <= seconds * SAMPLE_RATE for chunk in found)
    assert all(len(chunk) > 0 for chunk in found)


def test_a_chunk_is_cut_where_it_is_quiet():
    sound = noise(12)
    sound[8 * SAMPLE_RATE : 9 * SAMPLE_RATE] = 0
    first = next(iter(chunks([sound], 10)))
    assert 8 < len(first) / SAMPLE_RATE < 9


def test_what_is_no_whisper_is_refused(tmp_path, checkpoint):
    torch.save({"dims": {"n_mels": 80}, "model_state_dict": {}}, tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match="OpenAI's Whisper"):
        speech.resolve(str(tmp_path / "a.pt"))
    content = torch.load(checkpoint, weights_only=True)
    content["model_state_dict"].pop("encoder.conv1.weight")
    torch.save(content, tmp_path / "b.pt")
    assert speech.resolve(str(checkpoint)).here() == checkpoint
    with pytest.raises(CheckpointError, match=r"missing \(encoder.conv1.weight\)"):
        Transcriber(tmp_path / "b.pt", "cpu")
    (tmp_path / "c.pt").write_bytes(b"<!doctype html><p>sign in")
    with pytest.raises(WeightsError, match="web page"):
        speech.resolve(str(tmp_path / "c.pt"))
    with pytest.raises(WeightsError, match="whisper-tiny, whisper-base"):
        speech.resolve("huge")


def test_turbo_does_not_translate(checkpoint, monkeypatch):
    monkeypatch.setattr(speech, "TURBO_DECODER_LAYERS", 1)
    monkeypatch.setattr(speech, "TURBO_ENCODER_LAYERS", 1)
    assert Transcriber(checkpoint, "cpu")([noise(3)]).english is None


def test_the_addresses_hold_the_sums():
    listed = [weights for weights in registry.REGISTRY if weights.kind == "speech"]
    assert len(listed) == 7
    assert all(f"/{weights.sha256}/" in weights.url for weights in listed)
    assert registry.find("turbo").name == "whisper-large-v3-turbo"
