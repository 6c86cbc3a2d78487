import json

import numpy as np
import pytest
import torch

from lipsync_ray.errors import CheckpointError
from lipsync_ray.models.weights import Checkpoint

pytest.importorskip("transformers", reason="the extra `musetalk` is not installed")
from filled import fill, openai_s
from transformers import WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from lipsync_ray.models.musetalk_files import AUDIO_ENCODER_CONFIG
from lipsync_ray.models.whisper_encoder import HiddenStates, hidden_blocks


@pytest.fixture(scope="module")
def network():
    return fill(WhisperEncoder(WhisperConfig(**AUDIO_ENCODER_CONFIG)))


@pytest.fixture(scope="module")
def hear(network, tmp_path_factory):
    torch.set_num_threads(1)
    path = tmp_path_factory.mktemp("whisper") / "pytorch_model.bin"
    torch.save({f"model.encoder.{name}": tensor for name, tensor in network.state_dict().items()}, path)
    return HiddenStates(Checkpoint.of(path))


@pytest.fixture(scope="module")
def published(network):
    """OpenAI's own encoder with the same numbers: 30 seconds of sound → (1500, 5, 384)."""
    import whisper
    from whisper.model import AudioEncoder

    encoder = AudioEncoder(80, 1500, 384, 6, 4)
    encoder.load_state_dict(openai_s(network.state_dict()))

    def states(samples):
        seen = []
        hooks = [encoder.blocks[0].register_forward_pre_hook(lambda module, given: seen.append(given[0]))]
        hooks += [block.register_forward_hook(lambda module, given, out: seen.append(out)) for block in encoder.blocks]
        mel = whisper.log_mel_spectrogram(whisper.pad_or_trim(torch.from_numpy(samples)))
        with torch.inference_mode():
            last = encoder(mel[None])
        for hook in hooks:
            hook.remove()
        return torch.stack([*seen[:-1], last], dim=2)[0].numpy()

    return states


def speech(seconds, seed=0):
    t = np.arange(int(seconds * 16_000)) / 16_000
    noise = np.random.default_rng(seed).standard_normal(len(t))
    return (0.02 * noise + 0.2 * np.sin(2 * np.pi * (200 + 100 * t) * t)).astype(np.float32)


def blocks(samples, size=7_777):
    return (samples[start : start + size] for start in range(0, len(samples), size))


def heard(samples, hear, size=7_777):
    return np.concatenate(list(hidden_blocks(blocks(samples, size), hear)))


def test_hidden_states_are_those_of_openais_own_encoder(hear, published):
    samples = speech(3.3)
    found = heard(samples, hear)
    assert hear.bands == 5 * 384
    assert found.shape == (165, 5 * 384)
    wanted = published(samples)[:165]
    assert np.abs(found.reshape(-1, 5, 384) - wanted).max() < 1e-3 * np.abs(wanted).max()


def test_every_thirty_seconds_are_heard_by_themselves(hear, published):
    """Normalised by their own loudest moment, too: the first thirty seconds are a million times as silent here."""
    samples = speech(31)
    samples[:480_000] *= 1e-6
    found = heard(samples, hear).reshape(-1, 5, 384)
    assert found.shape == (1550, 5, 384)
    wanted = np.concatenate([published(samples[:480_000]), published(samples[480_000:])[:50]])
    assert np.abs(found - wanted).max() < 1e-3 * np.abs(wanted).max()


def test_blocks_of_any_size_are_the_same_sound(hear):
    samples = speech(1.25)
    whole = heard(samples, hear, len(samples))
    assert whole.shape == (62, 1920)
    assert np.array_equal(heard(samples, hear, 999), whole)
    assert heard(samples[:100], hear).shape == (1, 1920)


def test_another_file_is_refused(tmp_path):
    torch.save({"decoder.x": torch.zeros(1)}, tmp_path / "pytorch_model.bin")
    (tmp_path / "config.json").write_text(json.dumps(AUDIO_ENCODER_CONFIG))
    with pytest.raises(CheckpointError, match="not a checkpoint of transformers' Whisper"):
        HiddenStates(Checkpoint.of(tmp_path / "pytorch_model.bin"))
