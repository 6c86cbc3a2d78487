"""Whisper: loading, and long sound in pieces. With random numbers, so what it hears is nonsense, but always the same."""

from importlib import resources

import numpy as np
import pytest
import torch
import whisper
from hypothesis import given
from hypothesis import strategies as st
from material import random_whisper

from lipsync_ray.errors import CheckpointError, WeightsError
from lipsync_ray.media.audio import SAMPLE_RATE, SoundTrack, speech_blocks
from lipsync_ray.models import registry, speech
from lipsync_ray.models.speech import Transcriber, chunks
from lipsync_ray.models.spoken import Transcript


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return random_whisper(tmp_path_factory.mktemp("whisper") / "random.pt")


def noise(seconds):
    return np.random.default_rng(0).normal(0, 0.1, int(seconds * SAMPLE_RATE)).astype(np.float32)


@pytest.fixture(scope="module")
def talk():
    """3 s of speech."""
    path = str(resources.files("lipsync_ray.demo") / "data" / "en.ogg")
    return np.concatenate(list(speech_blocks(SoundTrack(path))))[: 3 * SAMPLE_RATE]


def test_it_hears_the_same_twice(checkpoint, talk):
    transcriber = Transcriber(checkpoint, "cpu")
    once, again = transcriber([talk]), transcriber(np.array_split(talk, 7))
    assert once == again
    assert 0 < once.probability <= 1
    assert 1.5 < once.speech_s < 3
    assert once.phrases
    assert all(0 <= phrase.start_s <= phrase.end_s <= 3 for phrase in once.phrases)
    assert transcriber([talk], seed=1).phrases != once.phrases  # its first guess is poor: it samples
    assert once.english is not None
    assert once.english != once.phrases


def test_every_phrase_has_whispers_own_doubts(checkpoint, talk):
    heard = Transcriber(checkpoint, "cpu")([talk])
    for phrase in (*heard.phrases, *heard.english):
        assert phrase.log_probability < 0
        assert phrase.compression_ratio > 0
        assert phrase.temperature > 0.5  # random numbers are never sure
        assert 0 <= phrase.no_speech_probability < 0.01
        assert f"sampled at temperature {phrase.temperature:.1f}" in phrase.uncertain


def test_times_go_on_from_piece_to_piece(checkpoint, talk, monkeypatch):
    monkeypatch.setattr(speech, "chunks", lambda sound: iter([talk, talk]))
    starts = [phrase.start_s for phrase in Transcriber(checkpoint, "cpu")([]).phrases]
    assert starts == sorted(starts)
    assert starts[0] < 3 <= starts[-1]


def test_what_is_not_spoken_is_not_listened_to(checkpoint, talk, monkeypatch):
    """Speech between long pauses: Whisper gets a fifth of the sound, and its words keep their place."""
    pause = 0.02 * noise(15)
    sound = np.concatenate((pause, talk, pause, talk, pause))
    listened = []
    transcribe = whisper.transcribe

    def noted(network, samples, **options):
        listened.append(len(samples) / SAMPLE_RATE)
        return transcribe(network, samples, **options)

    monkeypatch.setattr(whisper, "transcribe", noted)
    heard = Transcriber(checkpoint, "cpu")([sound])
    assert max(listened) < 9
    assert all(14 < phrase.start_s <= phrase.end_s < 37 for phrase in heard.phrases)
    assert heard.speech_s < 6


@pytest.mark.parametrize("sound", [np.zeros(3 * SAMPLE_RATE, np.float32), noise(3)], ids=["silence", "noise"])
def test_where_nobody_speaks_there_is_no_language(checkpoint, sound):
    heard = Transcriber(checkpoint, "cpu")([sound])
    assert heard == Transcript(None, None, (), (), 0.0)


def test_where_whisper_hears_no_speech_there_is_no_language(checkpoint, talk, monkeypatch):
    monkeypatch.setattr(whisper, "transcribe", lambda *_, **__: {"segments": []})
    heard = Transcriber(checkpoint, "cpu")([talk])
    assert (heard.language, heard.probability, heard.phrases) == (None, None, ())
    assert heard.speech_s > 1.5


def test_a_window_is_encoded_once(checkpoint, talk):
    transcriber = Transcriber(checkpoint, "cpu")
    calls = []
    transcriber._network.encoder.encoder.register_forward_hook(lambda *_: calls.append(1))
    heard = transcriber([talk])  # its language, six temperatures, and all of them again in English
    assert heard.english
    assert len(calls) == 1


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


def test_turbo_does_not_translate(checkpoint, talk, monkeypatch):
    monkeypatch.setattr(speech, "TURBO_DECODER_LAYERS", 1)
    monkeypatch.setattr(speech, "TURBO_ENCODER_LAYERS", 1)
    assert Transcriber(checkpoint, "cpu")([talk]).english is None


def test_the_addresses_hold_the_sums():
    listed = [weights for weights in registry.REGISTRY if weights.kind == "speech"]
    assert len(listed) == 7
    assert all(f"/{weights.sha256}/" in weights.url for weights in listed)
    assert registry.find("turbo").name == "whisper-large-v3-turbo"
