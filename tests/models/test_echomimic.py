import shutil

import numpy as np
import pytest
import torch

from lipsync_ray.errors import CheckpointError, ModelError, WeightsError
from lipsync_ray.models import echomimic_files, extras, generators

pytest.importorskip("diffusers", reason="the extra `echomimic` is not installed")
pytest.importorskip("transformers", reason="the extra `echomimic` is not installed")
import small_echomimic

from lipsync_ray.models.context_windows import Sampler
from lipsync_ray.models.echomimic import Animator, HeadDecoder, build_for

SIDE, FRAMES = 64, 15


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return small_echomimic.write(tmp_path_factory.mktemp("echo") / "models")


@pytest.fixture
def copy(models, tmp_path):
    return shutil.copytree(models, tmp_path / "copy")


@pytest.fixture(scope="module")
def checkpoint(models):
    torch.set_num_threads(1)
    return generators.resolve(str(models))


@pytest.fixture(scope="module")
def animator(checkpoint):
    return Animator(checkpoint, "cpu", "fp32")


@pytest.fixture(scope="module")
def portrait(animator):
    return animator.portrait(picture(), mask())


def picture(seed=0, side=SIDE):
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)


def mask(side=SIDE):
    out = np.zeros((side, side), np.uint8)
    out[10:40, 12:44] = 255
    return out


def heard(frames, wide=96, seed=0):
    every = np.random.default_rng(seed).standard_normal((FRAMES, 10, wide)).astype(np.float32)
    return every[frames]


def sampled(animator, portrait, steps=3, guidance=1.0, seed=420, sound=heard):
    sampler = Sampler(steps, guidance)
    latents = animator.start(FRAMES, SIDE, seed)
    for number in range(steps):
        latents = animator.step(latents, number, sampler, portrait, sound)
    return latents


def test_a_head_follows_its_seed_its_sound_its_person_and_its_guidance(animator, portrait):
    latents = sampled(animator, portrait)
    assert latents.shape == (4, FRAMES, SIDE // 8, SIDE // 8)
    assert np.array_equal(sampled(animator, portrait), latents)
    others = [
        sampled(animator, portrait, seed=1),
        sampled(animator, portrait, sound=lambda frames: heard(frames, seed=1)),
        sampled(animator, animator.portrait(picture(1), mask())),
        sampled(animator, animator.portrait(picture(), mask()[::-1].copy())),
        sampled(animator, portrait, guidance=2.5),
    ]
    assert all(np.abs(other - latents).max() > 1e-4 for other in others)


def test_going_on_from_a_step_is_going_on(animator, portrait):
    """What a killed run does: the latents of a step, read again."""
    sampler = Sampler(3, 1.0)
    first = animator.step(animator.start(FRAMES, SIDE, 420), 0, sampler, portrait, heard)
    again = np.frombuffer(np.ascontiguousarray(first, "<f4").tobytes(), "<f4").reshape(first.shape)
    rest = animator.step(again.copy(), 1, Sampler(3, 1.0), portrait, heard)
    assert np.array_equal(animator.step(rest, 2, Sampler(3, 1.0), portrait, heard), sampled(animator, portrait))


def test_the_unguided_half_sees_neither_person_nor_sound(animator, portrait, monkeypatch):
    asked = []
    plain = animator._denoising

    def watched(latents, time, sound, bank, face):
        asked.append((len(bank), face is None, float(sound.abs().max())))
        return plain(latents, time, sound, bank, face)

    monkeypatch.setattr(animator, "_denoising", watched)
    sampled(animator, portrait, steps=1, guidance=2.5)
    assert len(asked) == 4  # two windows, twice
    assert all(banks > 0 and not faceless and loud > 0 for banks, faceless, loud in asked[::2])
    assert all(banks == 0 and faceless and loud == 0 for banks, faceless, loud in asked[1::2])


def test_half_precision_gives_much_the_same(animator, portrait, checkpoint):
    half = Animator(checkpoint, "cpu", "bf16")
    latents = sampled(half, half.portrait(picture(), mask()))
    whole = sampled(animator, portrait)
    assert np.isfinite(latents).all()
    assert latents.dtype == np.float32
    assert np.abs(latents - whole).mean() < 0.1 * np.abs(whole).mean()


def test_noise_of_parity_is_drawn_in_the_weights_type(animator, checkpoint):
    half = Animator(checkpoint, "cpu", "bf16")
    plain, published = (half.start(FRAMES, SIDE, 420, parity) for parity in (False, True))
    assert np.array_equal(plain, animator.start(FRAMES, SIDE, 420))
    assert np.abs(plain).max() == 1.5
    assert not np.array_equal(plain, published)
    assert np.array_equal(published, torch.from_numpy(published).to(torch.bfloat16).float().numpy())


def test_a_frame_is_decoded_alike_in_any_company_and_levels_are_rounded(checkpoint):
    latents = np.random.default_rng(0).standard_normal((7, 4, 8, 8)).astype(np.float32)
    decode = HeadDecoder(checkpoint, "cpu", "fp32", 3)
    whole = decode(latents)
    assert whole.shape == (7, 64, 64, 3)
    assert np.array_equal(decode(latents[4:5])[0], whole[4])
    assert decode(latents[:0]).shape == (0, 64, 64, 3)
    cut = HeadDecoder(checkpoint, "cpu", "fp32", 3, truncated=True)(latents)
    difference = whole.astype(int) - cut
    assert set(np.unique(difference)) == {0, 1}
    assert 0.3 < difference.mean() < 0.7


@pytest.mark.parametrize(
    ("shape", "masked"), [((100, 100, 3), (100, 100)), ((64, 128, 3), (64, 128)), ((64, 64, 3), (64, 32))]
)
def test_another_shape_is_refused(animator, shape, masked):
    with pytest.raises(ValueError, match="multiple of 64"):
        animator.portrait(np.zeros(shape, np.uint8), np.zeros(masked, np.uint8))


def test_features_of_another_size_are_refused(animator, portrait):
    with pytest.raises(ModelError, match="expects audio features of 32 numbers"):
        sampled(animator, portrait, sound=lambda frames: heard(frames, wide=80))


def test_a_gpu_without_memory_says_what_to_do(animator, portrait, monkeypatch):
    def full(*given):
        raise torch.OutOfMemoryError("no")

    monkeypatch.setattr(animator, "_denoising", full)
    with pytest.raises(ModelError, match="--head-side"):
        sampled(animator, portrait)


def test_the_published_denoising_file_has_686_entries(tmp_path):
    with torch.device("meta"):
        network = build_for({}, tmp_path / "denoising_unet.pth")
    assert len(network.state_dict()) == 686
    assert sum(tensor.numel() for tensor in network.state_dict().values()) == 849_936_324


def test_a_folder_is_known_by_its_files(models, copy, tmp_path):
    found = generators.resolve(str(models))
    assert generators.spec_of(found).name == "echomimic-acc"
    assert found.name == "echomimic-acc-models"
    assert {role for role, _ in found.parts} == {"reference", "locator", "vae", "hearer", "motion"}
    assert len(set(found.identity)) == 6
    normal = small_echomimic.write(tmp_path / "normal", accelerated=False)
    assert generators.spec_of(generators.resolve(str(normal))).how.steps == 30
    shutil.copy(normal / "denoising_unet.pth", copy)
    with pytest.raises(WeightsError, match="holds both"):
        generators.resolve(str(copy))
    chosen = generators.resolve(str(copy / "denoising_unet_acc.pth"))
    assert generators.spec_of(chosen).name == "echomimic-acc"


@pytest.mark.parametrize(
    "file", ["motion_module_acc.pth", "reference_unet.pth", "face_locator.pth", "denoising_unet_acc.pth"]
)
def test_entries_are_compared_one_by_one(copy, file):
    state = torch.load(copy / file)
    name = next(name for name in state if name.endswith(("to_q.weight", "conv_out.bias")))
    del state[name]
    torch.save(state, copy / file)
    with pytest.raises(CheckpointError, match=r"1 missing|not a lip-sync generator"):
        generators.resolve(str(copy))


def test_the_denoising_file_s_own_motion_entries_win():
    one, other = torch.zeros(1), torch.ones(1)
    name = "down_blocks.0.motion_modules.0.temporal_transformer.norm.weight"
    assert echomimic_files.merged({name: one}, {name: other}) == {"down_blocks.0.motion_modules.0.norm.weight": one}


def test_without_its_packages_the_command_is_named(monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"pip install 'lipsync-ray\[echomimic\]'"):
        generators.resolve("echomimic-acc")
