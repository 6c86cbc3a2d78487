from pathlib import Path

import numpy as np
import pytest
import torch
from filled import difference, fill, golden

from lipsync_ray.models import weights
from lipsync_ray.models.checkpoint import load_into, read_state
from lipsync_ray.models.generators import LipModel, prepared, spec_of_state
from lipsync_ray.models.lip_poses import LipPoseEnsemble
from lipsync_ray.models.mini import Mini, scaled
from lipsync_ray.models.wav2lip import Wav2Lip

MINI = weights.location(weights.find("mini"))


def output(network, reference):
    with torch.inference_mode():
        return network(*(torch.from_numpy(reference[name]).float() for name in ("mel", "image")))


def test_the_network_is_the_published_one():
    network = Wav2Lip()
    assert sum(p.numel() for p in network.parameters()) == 36_298_035
    assert len(network.state_dict()) == 352
    assert network.state_dict()["face_decoder_blocks.6.0.conv_block.0.weight"].shape == (160, 64, 3, 3)


@pytest.mark.parametrize("folded", [False, True])
def test_wav2lip_equals_the_reference(folded):
    reference = golden("wav2lip_generator")
    network = fill(Wav2Lip(), gain=0.5)
    if folded:
        network = prepared(network, torch.device("cpu"), torch.float32)
    assert difference(output(network, reference), reference) < 1e-4


@pytest.mark.parametrize("folded", [False, True])
def test_mini_equals_the_reference(folded):
    reference = golden("mini_generator")
    network = Mini()
    load_into(network, read_state(MINI), "mini")
    network.eval()
    if folded:
        network = prepared(network, torch.device("cpu"), torch.float32)
    assert difference(output(network, reference), reference) < 1e-4


def test_mini_is_a_quarter_wide():
    assert [scaled(c, 0.25) for c in (16, 32, 64, 128, 256, 384, 512)] == [8, 8, 16, 32, 64, 96, 128]
    assert sum(p.numel() for p in Mini().parameters()) == 2_279_830


@pytest.fixture(scope="module")
def crops():
    rng = np.random.default_rng(0)
    return rng.integers(0, 255, (37, 96, 96, 3), np.uint8), rng.uniform(-4, 4, (37, 80, 16)).astype(np.float32)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_frame_does_not_depend_on_its_batch(crops, precision):
    faces, mels = crops
    model = LipModel(MINI, "cpu", precision, batch=8)
    whole = model(faces, mels)
    assert whole.shape == faces.shape
    assert whole.dtype == np.uint8
    for part in (slice(0, 1), slice(3, 20), slice(30, 37)):
        assert np.array_equal(model(faces[part], mels[part]), whole[part])


def test_the_upper_half_stays_and_the_sound_moves_the_lower(crops, demo_inputs):
    import cv2

    face = cv2.resize(
        cv2.imread(str(demo_inputs / "portrait.jpg"))[120:351, 174:356], (96, 96), interpolation=cv2.INTER_AREA
    )
    model = LipModel(MINI, "cpu", "fp32")
    silence, noise = np.full((1, 80, 16), -4, np.float32), crops[1][:1]
    quiet, loud = (model(face[None], mel)[0].astype(int) for mel in (silence, noise))
    assert np.abs(quiet[:40] - face[:40]).mean() < 3
    assert np.abs(quiet[55:92, 20:76] - loud[55:92, 20:76]).mean() > 2 * np.abs(quiet[:40] - loud[:40]).mean()


def test_no_frames_are_no_frames():
    model = LipModel(MINI, "cpu")
    assert model(np.zeros((0, 96, 96, 3), np.uint8), np.zeros((0, 80, 16), np.float32)).shape == (0, 96, 96, 3)


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="expected"):
        LipModel(MINI, "cpu")(np.zeros((1, 96, 96, 3), np.uint8), np.zeros((2, 80, 16), np.float32))


def test_when_memory_does_not_do_the_batch_is_halved(monkeypatch, crops):
    faces, mels = crops
    model = LipModel(MINI, "cpu", "fp32", batch=16)
    expected = model(faces, mels)
    assert model.notes == ()
    real = model._pass

    def tight(crops, mels):
        if model.batch > 4:
            raise torch.OutOfMemoryError("out of memory")
        return real(crops, mels)

    monkeypatch.setattr(model, "_pass", tight)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    found = model(faces, mels)
    assert model.batch == 4
    assert model.notes == (
        "cpu ran out of memory for batches of 16 frames in LipModel; batches of 4 were used: values may differ by one grey "
        "level",
    )
    assert np.abs(found.astype(int) - expected).max() <= 1


def test_the_network_is_told_by_its_entries():
    for kind in (Mini, Wav2Lip, LipPoseEnsemble):
        state = kind().state_dict()
        assert type(spec_of_state(state, "x").build(state, Path("x"))) is kind


def test_a_registered_generator_is_known_without_reading_its_file(monkeypatch):
    from lipsync_ray.models import generators, weights

    names = {spec.name for spec in generators.GENERATORS}
    assert {entry.network for entry in weights.REGISTRY if entry.kind == "lips"} == names
    mini = weights.by_name("mini")
    monkeypatch.setattr(generators, "read_state", lambda path: pytest.fail("was read"))
    assert generators.spec_of(mini).name == "mini"
