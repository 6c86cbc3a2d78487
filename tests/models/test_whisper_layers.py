import numpy as np
import pytest
import torch

from lipsync_ray.models.weights import Checkpoint

pytest.importorskip("transformers", reason="the extra `echomimic` is not installed")
from filled import fill, openai_s
from transformers import WhisperConfig
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from lipsync_ray.models.musetalk_files import AUDIO_ENCODER_CONFIG
from lipsync_ray.models.whisper_layers import LayerStates, layer_blocks


@pytest.fixture(scope="module")
def network():
    return fill_but_positions(WhisperEncoder(WhisperConfig(**AUDIO_ENCODER_CONFIG)))


def fill_but_positions(network):
    """The reference keeps the encoder's own positions."""
    positions = network.embed_positions.weight.clone()
    fill(network)
    network.load_state_dict(network.state_dict() | {"embed_positions.weight": positions})
    return network


@pytest.fixture(scope="module")
def hear(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("whisper") / "pytorch_model.bin"
    torch.save({f"model.encoder.{name}": tensor for name, tensor in network.state_dict().items()}, path)
    return LayerStates(Checkpoint.of(path))


@pytest.fixture(scope="module")
def reference(shared):
    with np.load(shared / "golden" / "echomimic_audio.npz") as held:
        return dict(held)


def heard(samples, hear, block=7_777):
    sound = samples.astype(np.float32) / 32768
    blocks = [sound[at : at + block] for at in range(0, len(sound), block)]
    return np.concatenate(list(layer_blocks(blocks, hear)))


def test_the_published_features(reference, hear):
    found = heard(reference["samples"], hear).reshape(-1, 5, 384)
    assert found.shape == reference["features"].shape
    assert np.abs(found - reference["features"]).max() < 1e-4


def test_tokens_of_a_frame(reference, hear):
    from fractions import Fraction

    from lipsync_ray.models.generators import GENERATORS

    window = next(spec for spec in GENERATORS if spec.name == "echomimic").audio
    found = heard(reference["samples"], hear)
    rows = window.rows(np.arange(0, 81, 20), Fraction(24), len(found))
    tokens = found[rows].reshape(5, 50, 384)
    assert np.abs(tokens - reference["chunks_fps24_every_20th"]).max() < 1e-4


def test_two_pieces_are_normalised_together(reference, hear):
    n = 31 * 16_000
    t = np.arange(n) / 16_000
    x = 0.1 * np.random.default_rng(8).standard_normal(n) + 0.3 * np.sin(2 * np.pi * (200 + 100 * t) * t)
    x[:480_000] *= 1e-6
    samples = np.clip(np.round(x * 32767 * 0.5), -32768, 32767).astype(np.int16)
    found = heard(samples, hear).reshape(-1, 5, 384)
    assert found.shape == tuple(reference["long_shape"])
    assert np.abs(found[reference["long_rows"]] - reference["long_features"]).max() < 1e-4


@pytest.mark.parametrize("samples", [1, 159, 320, 479, 640])
def test_a_moment_of_sound_gives_a_column(hear, samples):
    found = heard(np.full(samples, 500, np.int16), hear)
    assert found.shape == (max(1, samples // 320), 1920)
    assert np.isfinite(found).all()


def test_openai_s_file_is_heard_alike(network, hear, tmp_path):
    state = {f"encoder.{name}": tensor for name, tensor in openai_s(network.state_dict()).items()}
    torch.save(
        {"dims": {}, "model_state_dict": state | {"decoder.ln.bias": torch.zeros(3)}}, tmp_path / "whisper_tiny.pt"
    )
    samples = np.random.default_rng(0).integers(-3000, 3000, 16_000).astype(np.int16)
    theirs = LayerStates(Checkpoint.of(tmp_path / "whisper_tiny.pt"))
    assert np.array_equal(heard(samples, theirs), heard(samples, hear))
