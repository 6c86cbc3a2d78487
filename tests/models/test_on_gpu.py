"""What holds on a CPU holds on a GPU: the references' numbers, a frame that is the same in any batch, memory that ends.

Skipped where there is no GPU.
"""

import numpy as np
import pytest
import torch
from filled import difference, fill, golden, relative, sound_of
from material import random_gfpgan, random_inception

from lipsync_ray.faces.mtcnn import Mtcnn
from lipsync_ray.metrics import lse
from lipsync_ray.models import weights
from lipsync_ray.models.generators import LipModel
from lipsync_ray.models.gfpgan import Restorer
from lipsync_ray.models.inception import Inception
from lipsync_ray.models.scorers import SCORERS, SyncEncoder
from lipsync_ray.models.syncnet import SyncNet
from lipsync_ray.models.wav2lip import Wav2Lip

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")]

MINI = weights.location(weights.find("mini"))
TURNS = 12  # how often a pass is repeated: an unlucky order of additions does not show every time


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """A Wav2Lip as wide as the published one."""
    path = tmp_path_factory.mktemp("wav2lip") / "filled.pth"
    torch.save(fill(Wav2Lip(), gain=0.5).state_dict(), path)
    return path


@pytest.fixture(scope="module")
def crops():
    rng = np.random.default_rng(0)
    return rng.integers(0, 255, (150, 96, 96, 3), np.uint8), rng.uniform(-4, 4, (150, 80, 16)).astype(np.float32)


def levels(found, wanted):
    """(mean, largest) difference of two pictures, in grey levels."""
    difference = np.abs(found.astype(int) - wanted.astype(int))
    return difference.mean(), difference.max()


@pytest.mark.parametrize("name", ["wav2lip_generator", "mini_generator"])
def test_a_generator_equals_the_reference(name, full):
    reference = golden(name)
    model = LipModel(full if name.startswith("wav2lip") else MINI, "cuda", "fp32")
    with torch.inference_mode():
        drawn = model.network(*(torch.from_numpy(reference[part]).float().cuda() for part in ("mel", "image")))
    assert difference(drawn.cpu(), reference) < 1e-4


@pytest.mark.parametrize(("precision", "mean", "most"), [("fp32", 0.01, 1), ("fp16", 0.2, 4), ("bf16", 3.0, 40)])
@pytest.mark.parametrize("network", ["mini", "full"])
def test_a_gpu_draws_what_a_cpu_draws(network, precision, mean, most, crops, full):
    faces, mels = (part[:16] for part in crops)
    path = MINI if network == "mini" else full
    found = levels(LipModel(path, "cuda", precision)(faces, mels), LipModel(path, "cpu", "fp32")(faces, mels))
    print(network, precision, found)
    assert found[0] < mean
    assert found[1] <= most


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
@pytest.mark.parametrize("network", ["mini", "full"])
def test_a_frame_does_not_depend_on_its_batch_or_on_the_time(network, precision, crops, full):
    faces, mels = crops
    path = MINI if network == "mini" else full
    model = LipModel(path, "cuda", precision, batch=64)
    whole = model(faces, mels)
    for _ in range(TURNS):
        assert np.array_equal(model(faces, mels), whole)
    other = LipModel(path, "cuda", precision, batch=64)
    for part in (slice(0, 1), slice(3, 90), slice(140, 150)):
        assert np.array_equal(other(faces[part], mels[part]), whole[part])


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_restored_face_does_not_depend_on_its_batch_or_on_the_time(precision, tmp_path_factory):
    path = random_gfpgan(tmp_path_factory.mktemp("gfpgan") / "random.pth")
    faces = np.random.default_rng(1).integers(0, 255, (6, 512, 512, 3), np.uint8)
    restore = Restorer(path, "cuda", precision, 4)
    whole = restore(faces)
    for _ in range(TURNS):
        assert np.array_equal(restore(faces), whole)
    assert np.array_equal(Restorer(path, "cuda", precision, 4)(faces[5:]), whole[5:])
    found = levels(whole[:1], Restorer(path, "cpu", "fp32", 1)(faces[:1]))
    print(precision, found)
    assert found[0] < (0.05 if precision == "fp32" else 0.5)


def test_syncnet_equals_the_reference_to_the_score(tmp_path):
    reference = golden("syncnet")
    torch.save(fill(SyncNet()).state_dict(), tmp_path / "syncnet_v2.model")
    count = len(reference["lip_embedding"])
    lips, sounds = SyncEncoder(SCORERS["syncnet"], tmp_path / "syncnet_v2.model", "cuda")(
        reference["frames"][: count + 4], sound_of(reference, count)
    )
    assert relative(lips, reference["lip_embedding"]) < 1e-3
    assert relative(sounds, reference["audio_embedding"]) < 1e-3
    score = lse.score(lips, sounds, padded=True)
    assert score.distance == pytest.approx(float(reference["lse_d"]), rel=1e-3)
    assert score.offset == int(reference["offset"])


def test_features_are_a_cpus(tmp_path):
    path = random_inception(tmp_path / "inception.pth")
    pictures = np.random.default_rng(2).integers(0, 255, (4, 160, 160, 3), np.uint8)
    on_gpu, on_cpu = (Inception(path, 2048, device)(pictures) for device in ("cuda", "cpu"))
    assert relative(on_gpu, on_cpu) < 1e-4


def test_faces_are_where_a_cpu_finds_them(demo_inputs):
    import cv2

    frame = cv2.cvtColor(cv2.imread(str(demo_inputs / "portrait.jpg")), cv2.COLOR_BGR2RGB)
    on_gpu, on_cpu = (Mtcnn(device, 20)(frame) for device in ("cuda", "cpu"))
    assert len(on_cpu[0])
    for found, wanted in zip(on_gpu, on_cpu, strict=True):
        assert np.allclose(found[np.argsort(on_gpu[2])], wanted[np.argsort(on_cpu[2])], atol=0.01)


def test_when_the_memory_ends_the_batch_is_halved(full, crops):
    faces, mels = crops
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + (1 << 30)) / total)
    try:
        model = LipModel(full, "cuda", "fp32", batch=4096)
        found = model(faces, mels)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert 1 <= model.batch < 4096
    assert levels(found, LipModel(full, "cuda", "fp32", batch=128)(faces, mels))[1] <= 1


@pytest.mark.parametrize(("precision", "mean"), [("fp32", 0.05), ("fp16", 1.0)])
def test_musetalk_draws_what_it_draws_on_a_cpu(precision, mean, tmp_path):
    pytest.importorskip("diffusers", reason="the extra `musetalk` is not installed")
    import small_musetalk

    from lipsync_ray.models import generators
    from lipsync_ray.models.musetalk import LatentEncoder, MuseTalk

    checkpoint = generators.resolve(str(small_musetalk.write(tmp_path)))
    rng = np.random.default_rng(0)
    faces = rng.integers(0, 256, (20, 256, 256, 3), np.uint8)
    heard = rng.standard_normal((20, 96, 10)).astype(np.float32)
    latents = LatentEncoder(checkpoint, "cpu", "fp32")(faces)
    there = LatentEncoder(checkpoint, "cuda", precision)
    assert np.abs(there(faces).astype(np.float32) - latents.astype(np.float32)).mean() < 0.01
    draw = MuseTalk(checkpoint, "cuda", precision)
    drawn = draw(latents, heard)
    assert levels(drawn, MuseTalk(checkpoint, "cpu", "fp32")(latents, heard))[0] < mean
    for _ in range(TURNS):
        assert np.array_equal(draw(latents, heard), drawn)
    assert draw.peak_mb > 0


@pytest.mark.parametrize(("precision", "most"), [("fp32", 2e-3), ("fp16", 0.05)])
def test_a_head_is_sampled_as_on_a_cpu_and_each_time_alike(precision, most, tmp_path):
    pytest.importorskip("diffusers")
    import small_echomimic

    from lipsync_ray.models import generators
    from lipsync_ray.models.context_windows import Sampler
    from lipsync_ray.models.echomimic import Animator

    checkpoint = generators.resolve(str(small_echomimic.write(tmp_path / "models")))
    rng = np.random.default_rng(0)
    picture, sound = rng.integers(0, 256, (64, 64, 3), np.uint8), rng.standard_normal((30, 10, 96)).astype(np.float32)

    def sampled(device, precision):
        model, sampler = Animator(checkpoint, device, precision), Sampler(4, 2.5)
        portrait, latents = model.portrait(picture, np.full((64, 64), 255, np.uint8)), model.start(30, 64, 420)
        for number in range(4):
            latents = model.step(latents, number, sampler, portrait, lambda frames: sound[frames])
        return latents

    found = sampled("cuda", precision)
    assert np.array_equal(sampled("cuda", precision), found)
    wanted = sampled("cpu", "fp32")
    assert np.abs(found - wanted).mean() < most * np.abs(wanted).mean()
