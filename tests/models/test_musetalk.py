import json
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
import torch
from filled import filled_at_once, golden

from lipsync_ray.errors import CheckpointError, ModelError, WeightsError
from lipsync_ray.models import extras, generators, musetalk, musetalk_files, weights
from lipsync_ray.models.weights import Checkpoint

pytest.importorskip("diffusers", reason="the extra `musetalk` is not installed")
pytest.importorskip("transformers", reason="the extra `musetalk` is not installed")
import small_musetalk

pytestmark = pytest.mark.usefixtures("memory_given_back")
SPEC = next(spec for spec in generators.GENERATORS if spec.name == "musetalk")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return small_musetalk.write(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def loaded(models):
    torch.set_num_threads(
        1
    )  # as every stage does: with two, a group's sums are split by the frame's place in its batch
    checkpoint = generators.resolve(str(models))
    return musetalk.LatentEncoder(checkpoint, "cpu", "fp32", 3), musetalk.MuseTalk(checkpoint, "cpu", "fp32", 3)


def faces(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 256, 256, 3), np.uint8)


def sound(count, bands=96, seed=0):
    return np.random.default_rng(seed).standard_normal((count, bands, 10)).astype(np.float32)


@pytest.mark.nightly
@pytest.mark.slow
def test_the_published_networks_give_the_reference_picture(shared, monkeypatch):
    from diffusers import AutoencoderKL, UNet2DConditionModel

    reference = dict(np.load(shared / "golden" / "musetalk.npz"))
    torch.set_num_threads(2)
    with torch.device("meta"):
        unet = UNet2DConditionModel(**musetalk_files.UNET_CONFIG)
        vae = AutoencoderKL(**musetalk_files.VAE_CONFIG)
    assert sum(p.numel() for p in unet.parameters()) == 849_947_844
    unet, vae = filled_at_once(unet), filled_at_once(vae)
    monkeypatch.setattr(musetalk, "load_unet", lambda *given: unet)
    monkeypatch.setattr(musetalk, "load_vae", lambda *given: vae)
    nowhere = Checkpoint("x", "x", "", (("vae", Checkpoint("y", "y", "")),))
    encode = musetalk.LatentEncoder(nowhere, "cpu", "fp32", 1)
    latents = encode(reference["crop_bgr"][None])
    assert latents.dtype == np.float16
    assert np.abs(latents.astype(np.float32) - reference["latents"]).max() < 5e-4  # half of float16's step
    draw = musetalk.MuseTalk(nowhere, "cpu", "fp32", 2)
    # (2, 50, 384): ten columns of five layers, one after the other.
    heard = reference["audio"].reshape(2, 10, 5 * 384).transpose(0, 2, 1)
    exact = torch.from_numpy(reference["latents"]).repeat(2, 1, 1, 1)
    found = draw.predict(exact, torch.from_numpy(heard.copy()))
    assert np.abs(found.detach().numpy() - reference["prediction"]).max() < 1e-4
    drawn = draw(np.repeat(latents, 2, axis=0), heard)
    assert np.abs(drawn.astype(int) - reference["output_bgr"]).max() <= 1


@pytest.mark.parametrize("fps", [24, 25, 30, 50])
def test_windows_start_where_the_published_code_starts_them(fps):
    reference = golden("musetalk_windows")
    starts = reference[f"fps_{fps}"].tolist()
    assert [SPEC.audio.first(frame, Fraction(fps)) for frame in range(len(starts))] == starts


@pytest.mark.parametrize("rate", [Fraction(30000, 1001), Fraction(24000, 1001), Fraction(25), Fraction(60000, 1001)])
def test_nothing_drifts_in_ten_minutes(rate):
    """The published code cuts 29.97 to 29: after ten minutes the sound would be 19 seconds off."""
    for frame in range(int(600 * rate) - 3, int(600 * rate)):
        heard_s = Fraction(SPEC.audio.first(frame, rate) - SPEC.audio.first(0, rate), 50)
        assert 0 <= frame / rate - heard_s < Fraction(1, 50)


def test_beyond_the_sound_are_zeros(tmp_path):
    """As the published code pads Whisper's features; a mel's silence is −4."""
    from lipsync_ray.inputs import audio_features
    from lipsync_ray.media import mel

    columns = np.ones((4, 6), np.float32)
    silence = audio_features.SILENCE["whisper"]
    out = mel.windows(columns, np.array([-2, 2]), 0, 4, 10, SPEC.audio.silent_end, silence)
    assert out.shape == (2, 6, 10)
    assert out[0, 0].tolist() == [0, 0, 1, 1, 1, 1, 0, 0, 0, 0]
    assert out[1, 5].tolist() == [1, 1] + [0] * 8


def test_a_frame_does_not_depend_on_its_batch(loaded):
    encode, draw = loaded
    pictures, heard = faces(5), sound(5)
    latents = encode(pictures)
    assert latents.shape == (5, 8, 32, 32)
    drawn = draw(latents, heard)
    assert drawn.shape == (5, 256, 256, 3)
    for start, stop in ((0, 1), (1, 3), (4, 5)):
        assert np.array_equal(encode(pictures[start:stop]), latents[start:stop])
        assert np.array_equal(draw(latents[start:stop], heard[start:stop]), drawn[start:stop])
    assert encode(pictures[:0]).shape == (0, 8, 32, 32)
    assert draw(latents[:0], heard[:0]).shape == (0, 256, 256, 3)


def test_what_it_says_decides_what_it_draws_and_the_lower_half_does_not_leak_into_the_first_latents(loaded):
    encode, draw = loaded
    latents = encode(faces(1))
    assert not np.array_equal(draw(latents, sound(1, seed=1)), draw(latents, sound(1, seed=2)))
    other = faces(1)
    other[:, 128:] = 0
    assert np.array_equal(encode(other)[:, :4], latents[:, :4])
    assert not np.array_equal(encode(other)[:, 4:], latents[:, 4:])


def test_shapes_are_checked(loaded):
    encode, draw = loaded
    with pytest.raises(ValueError, match="256"):
        encode(np.zeros((1, 96, 96, 3), np.uint8))
    with pytest.raises(ValueError, match="expected"):
        draw(np.zeros((1, 8, 32, 32), np.float16), sound(2))
    with pytest.raises(ModelError, match="features of 32 numbers"):
        draw(np.zeros((1, 8, 32, 32), np.float16), sound(1, bands=97))


def test_a_folder_of_models_is_resolved_with_what_lies_beside_it(models):
    checkpoint = generators.resolve(str(models))
    assert checkpoint.given.endswith("musetalkV15/unet.pth")
    assert [role for role, _ in checkpoint.parts] == ["vae", "hearer"]
    assert checkpoint.part("vae").given.endswith("sd-vae/diffusion_pytorch_model.safetensors")
    assert generators.spec_of(checkpoint).name == "musetalk"
    assert generators.resolve(str(models / "musetalkV15")) == checkpoint
    assert len(checkpoint.identity) == 3


def test_other_numbers_of_any_part_are_another_identity(models, tmp_path):
    identities = {json.dumps(generators.resolve(str(models)).identity)}
    for name in ("sd-vae/diffusion_pytorch_model.safetensors", "whisper/pytorch_model.bin"):
        copy = tmp_path / name.partition("/")[0]
        for source in models.rglob("*"):
            if source.is_file():
                target = copy / source.relative_to(models)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(source.read_bytes())
        other = small_musetalk.write(tmp_path / "other", seed=1)
        (copy / name).write_bytes((other / name).read_bytes())
        identities.add(json.dumps(generators.resolve(str(copy)).identity))
    assert len(identities) == 3


def test_version_one_is_known_by_its_file(tmp_path):
    folder = small_musetalk.write(tmp_path, version="musetalk")
    spec = generators.spec_of(generators.resolve(str(folder)))
    assert (spec.name, spec.how.margin, spec.how.shifts, spec.how.blend) == ("musetalk-v1", 0, True, "raw")


def test_what_is_wrong_with_a_folder_is_said(models, tmp_path):
    with pytest.raises(WeightsError, match=r"expected one of musetalkV15/unet\.pth"):
        generators.resolve(str(tmp_path))
    folder = small_musetalk.write(tmp_path / "m")
    (folder / "musetalkV15" / "musetalk.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"musetalk\.json: not the configuration"):
        generators.resolve(str(folder))
    (folder / "musetalkV15" / "musetalk.json").unlink()  # it is then taken for one of the published size
    with pytest.raises(CheckpointError, match="not a checkpoint of UNet2DConditionModel"):
        generators.resolve(str(folder))


def test_attention_by_its_old_names_is_read(models, tmp_path):
    """sd-vae-ft-mse was published before diffusers renamed these entries."""
    from safetensors.torch import load_file, save_file

    path = models / "sd-vae" / "diffusion_pytorch_model.safetensors"
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    renamed, count = {}, 0
    for name, tensor in load_file(path).items():
        for now, then in old.items():
            if f".{now}." in name:
                name, count = name.replace(f".{now}.", f".{then}."), count + 1
        renamed[name] = tensor
    assert count == 16
    (tmp_path / "config.json").write_text((path.parent / "config.json").read_text())
    save_file(renamed, tmp_path / "vae.safetensors")
    vae = Checkpoint.of(tmp_path / "vae.safetensors")
    found = musetalk.load_vae(vae, torch.device("cpu"), torch.float32).state_dict()
    wanted = load_file(path)
    assert all(torch.equal(found[name], tensor) for name, tensor in wanted.items())


def test_the_registry_names_all_of_it():
    for name in ("musetalk", "musetalk-v1", "sd-vae", "whisper-tiny-hf", "bisenet"):
        entry = weights.find(name)
        assert entry is not None
        assert entry.url is not None
        assert entry.url.startswith("https://")
        assert entry.licence
    assert weights.find("musetalk-v15") is weights.find("musetalk")


def test_weights_that_are_not_here_say_where_they_come_from(tmp_path, monkeypatch):
    monkeypatch.setenv("LIPSYNC_RAY_WEIGHTS", str(tmp_path))

    def no_network(url, path, progress):
        raise WeightsError(f"{url}: no network")

    monkeypatch.setattr(weights, "download", no_network)
    with pytest.raises(WeightsError, match="whose sha256 is nowhere published") as told:
        generators.resolve("musetalk-v1")
    assert "huggingface.co/TMElyralab/MuseTalk/resolve/main/musetalk/pytorch_model.bin" in str(told.value)
    assert "commercial" in str(told.value)


def test_what_nobody_published_a_sum_of_has_to_be_the_same_on_every_node(tmp_path, monkeypatch):
    monkeypatch.setenv("LIPSYNC_RAY_WEIGHTS", str(tmp_path))
    entry = weights.find("musetalk-v1")
    weights.location(entry).write_bytes(b"one")
    checkpoint = weights.by_name("musetalk-v1")
    assert checkpoint.sha256 == weights.digest(weights.location(entry))
    assert checkpoint.here() == weights.location(entry)
    weights.location(entry).write_bytes(b"another")
    with pytest.raises(WeightsError, match="the driver's file"):
        checkpoint.here()


def test_an_extra_that_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(extras.PACKAGES, "musetalk", ("diffusers", "no_such_package"))
    with pytest.raises(ModelError, match=r"no_such_package, which is not .* pip install 'lipsync-ray\[musetalk\]'"):
        generators.resolve("musetalk")


def test_nothing_of_it_is_imported_before_it_is_asked_for():
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from lipsync_ray.jobs.dub import job; from lipsync_ray.models import generators; "
            "from lipsync_ray.models import weights; generators.spec_of(generators.resolve('warp')); "
            "print([name for name in ('diffusers', 'transformers') if name in sys.modules])",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == "[]"
