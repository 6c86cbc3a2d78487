"""Lip poses from sound."""

from fractions import Fraction

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from lipsync_ray.errors import CheckpointError
from lipsync_ray.media.mel import mel_spectrogram
from lipsync_ray.models import generators
from lipsync_ray.models.closures import WINDOW
from lipsync_ray.models.judge import expected_openings
from lipsync_ray.models.lip_poses import COLUMNS, POSES, LipPoses, load_ensemble
from lipsync_ray.models.weights import by_name


@pytest.fixture(scope="module")
def poses():
    return LipPoses(by_name("warp").here(), "cpu", batch=8)


def test_a_pose_does_not_depend_on_those_beside_it(poses):
    mels = np.random.default_rng(0).normal(-2, 1, (19, 80, WINDOW)).astype(np.float32)
    together = poses(mels)
    assert together.shape == (19, POSES)
    np.testing.assert_array_equal(poses(mels[11:12]), together[11:12])
    np.testing.assert_array_equal(poses.closedness(mels[11:12]), poses.closedness(mels)[11:12])
    assert poses(mels[:0]).shape == (0, POSES)


def test_a_pose_is_of_the_middle_of_its_window(poses):
    mels = np.random.default_rng(0).normal(-2, 1, (3, 80, WINDOW)).astype(np.float32)
    edge = (WINDOW - COLUMNS) // 2
    other = mels.copy()
    other[:, :, :edge] = other[:, :, -edge:] = 0
    np.testing.assert_array_equal(poses(other), poses(mels))
    assert (poses.closedness(other) != poses.closedness(mels)).all()


def test_a_checkpoint_of_poses_alone_says_nothing_of_closures(tmp_path):
    state = load_file(by_name("warp").here())
    path = tmp_path / "poses.safetensors"
    save_file({name: entry for name, entry in state.items() if not name.startswith("closures.")}, path)
    mels = np.random.default_rng(0).normal(-2, 1, (3, 80, WINDOW)).astype(np.float32)
    alone, both = LipPoses(path, "cpu", batch=8), LipPoses(by_name("warp").here(), "cpu", batch=8)
    assert alone.closedness(mels) is None
    np.testing.assert_array_equal(alone(mels), both(mels))


def test_readers_read_what_directions_say():
    basis = load_ensemble(by_name("warp").here()).basis()
    lips = np.random.default_rng(1).normal(0, 0.1, (5, POSES))
    np.testing.assert_allclose(basis.read(basis.steps(lips)), lips, atol=2e-3)


@pytest.mark.parametrize("rate", [Fraction(25), Fraction(30000, 1001), Fraction(60)])
def test_a_window_lies_around_its_frame(rate):
    window = next(spec for spec in generators.GENERATORS if spec.name == "warp").audio
    for frame in (0, 1, 17, 1000):
        middle_s = (window.first(frame, rate) + window.columns / 2) / window.columns_per_s
        assert 0 <= frame / rate - middle_s < 1 / window.columns_per_s


def test_another_checkpoint_is_refused(tmp_path):
    import torch

    path = tmp_path / "other.safetensors"
    save_file({"networks.0.conv.0.weight": torch.zeros(2)}, path)
    with pytest.raises(CheckpointError, match="directions"):
        load_ensemble(path)


def test_the_judge_hears_a_beat():
    """Bursts of noise twice a second: what is expected of the lips has that period."""
    rng = np.random.default_rng(0)
    time_s = np.arange(8 * 16000) / 16000
    sound = (rng.normal(0, 0.1, len(time_s)) * (np.sin(2 * np.pi * 2 * time_s) > 0)).astype(np.float32)
    opening = expected_openings(mel_spectrogram(sound).T)
    assert len(opening) == pytest.approx(200, abs=2)
    spectrum = np.abs(np.fft.rfft(opening - opening.mean()))
    hertz = np.fft.rfftfreq(len(opening), 1 / 25)
    assert hertz[spectrum.argmax()] == pytest.approx(2, abs=0.2)
