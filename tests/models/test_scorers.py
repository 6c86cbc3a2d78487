import numpy as np
import pytest
import torch
from filled import fill, golden, relative, sound_of

from lipsync_ray.errors import CheckpointError, WeightsError
from lipsync_ray.metrics import lse
from lipsync_ray.models import weights
from lipsync_ray.models.checkpoint import load_into, read_state
from lipsync_ray.models.mini_sync import MiniSync
from lipsync_ray.models.scorers import SCORERS, SyncEncoder, resolve
from lipsync_ray.models.syncnet import SyncNet

MINI_SYNC = weights.location(weights.find("mini-sync"))


@pytest.fixture(scope="module")
def reference():
    return golden("syncnet")


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A file like the published syncnet_v2.model, filled like the reference."""
    path = tmp_path_factory.mktemp("weights") / "syncnet_v2.model"
    torch.save(fill(SyncNet()).state_dict(), path)
    return path


def test_syncnet_is_the_published_one():
    network = SyncNet()
    assert sum(p.numel() for p in network.parameters()) == 13_631_616
    assert len(network.state_dict()) == 102


def test_syncnet_equals_the_reference_to_the_score(reference, filled):
    count = len(reference["lip_embedding"])
    expert = SyncEncoder(SCORERS["syncnet"], resolve("syncnet", str(filled)).here(), "cpu")
    lips, sounds = expert(reference["frames"][: count + 4], sound_of(reference, count))
    assert relative(lips, reference["lip_embedding"]) < 1e-3
    assert relative(sounds, reference["audio_embedding"]) < 1e-3
    found = lse.score(lips, sounds, padded=True)
    assert np.allclose(found.curve, reference["mean_distance"], rtol=1e-3)
    assert found.distance == pytest.approx(float(reference["lse_d"]), rel=1e-3)
    assert found.confidence == pytest.approx(float(reference["lse_c"]), rel=1e-3)
    assert found.offset == int(reference["offset"])


def test_the_network_as_published_equals_the_one_that_runs(reference):
    network = fill(SyncNet())
    frames = torch.from_numpy(reference["frames"][:5]).float().permute(3, 0, 1, 2)[None]
    with torch.inference_mode():
        lip = network.encode_video(frames).numpy()
    assert relative(lip, reference["lip_embedding"][:1]) < 1e-5


def test_mini_sync_equals_the_reference():
    reference = golden("mini_expert")
    network = MiniSync()
    load_into(network, read_state(MINI_SYNC), "mini-sync")
    network.eval()
    with torch.inference_mode():
        face = network.encode_video(torch.from_numpy(reference["face"]).float()).numpy()
        sound = network.encode_audio(torch.from_numpy(reference["mel"])).numpy()
    assert np.abs(face - reference["face_embedding"]).max() < 1e-4
    assert np.abs(sound - reference["audio_embedding"]).max() < 1e-4


def test_the_expert_stacks_frames_as_the_network_was_trained():
    network = MiniSync()
    load_into(network, read_state(MINI_SYNC), "mini-sync")
    network.eval()
    rng = np.random.default_rng(0)
    faces = rng.integers(0, 255, (7, 96, 96, 3), np.uint8)
    sound = rng.uniform(-4, 4, (3, 80, 16)).astype(np.float32)
    lips, sounds = SyncEncoder(SCORERS["mini-sync"], MINI_SYNC, "cpu")(faces, sound)
    stacked = np.stack([faces[v : v + 5, 48:].transpose(0, 3, 1, 2).reshape(15, 48, 96) for v in range(3)])
    with torch.inference_mode():
        wanted = network.encode_video(torch.from_numpy(stacked).float() / 255).numpy()
    assert np.abs(lips - wanted).max() < 1e-5
    assert np.allclose(np.linalg.norm(sounds, axis=1), 1, atol=1e-5)


def test_a_window_does_not_depend_on_its_neighbours(one_thread):
    rng = np.random.default_rng(1)
    faces = rng.integers(0, 255, (30, 96, 96, 3), np.uint8)
    sound = rng.uniform(-4, 4, (26, 80, 16)).astype(np.float32)
    expert = SyncEncoder(SCORERS["mini-sync"], MINI_SYNC, "cpu")
    whole = expert(faces, sound)
    part = expert(faces[9:16], sound[9:12])
    assert np.array_equal(whole[0][9:12], part[0])
    assert np.array_equal(whole[1][9:12], part[1])


def test_windows_and_frames_must_agree():
    expert = SyncEncoder(SCORERS["mini-sync"], MINI_SYNC, "cpu")
    with pytest.raises(ValueError, match="one window of sound"):
        expert(np.zeros((9, 96, 96, 3), np.uint8), np.zeros((9, 80, 16), np.float32))


def test_without_weights_the_error_names_the_other_scorer(tmp_path, monkeypatch):
    monkeypatch.setenv(weights.CACHE_VARIABLE, str(tmp_path))
    monkeypatch.setattr(weights, "download", refuse)
    with pytest.raises(WeightsError, match="--scorer mini-sync") as caught:
        resolve("syncnet")
    assert str(tmp_path / "syncnet_v2.model") in str(caught.value)


def refuse(url, target, progress):
    raise WeightsError(f"{url}: cannot be downloaded: no network")


def test_another_networks_file_is_refused():
    with pytest.raises(CheckpointError, match="not a checkpoint of SyncNet"):
        resolve("syncnet", str(MINI_SYNC))
