"""The published networks' reference outputs, by networks filled with the same numbers under the checkpoint's own names."""

import numpy as np
import pytest
import torch

pytest.importorskip("diffusers", reason="the extra `echomimic` is not installed")
from filled import _values, fill, filled_at_once
from small_echomimic import split, theirs

from lipsync_ray.models.echomimic_files import DENOISING_CONFIG, REFERENCE_CONFIG, diffusers_name, merged
from lipsync_ray.models.echomimic_networks import (
    Denoising,
    FaceLocator,
    denoising_unet,
    reference_features,
    reference_unet,
)

pytestmark = pytest.mark.nightly


@pytest.fixture(scope="module")
def reference(shared):
    def read(name):
        with np.load(shared / "golden" / f"echomimic_{name}.npz") as held:
            return {key: torch.from_numpy(held[key]) for key in held.files}

    return read


@pytest.fixture(scope="module")
def locator():
    return fill(FaceLocator()).requires_grad_(False)


@pytest.fixture(scope="module")
def bank(reference):
    torch.set_num_threads(2)
    with torch.device("meta"):
        network = reference_unet(REFERENCE_CONFIG)
    assert len(network.state_dict()) == 570
    assert sum(tensor.numel() for tensor in network.state_dict().values()) == 815_521_280
    network = filled_at_once(network)
    last = {}
    network.up_blocks[-1].register_forward_hook(lambda module, given, out: last.update(hidden=out))
    with torch.inference_mode():
        made = reference_features(network, reference("reference")["reference_latents"])
    return made, last["hidden"]


def test_the_face_locator(reference, locator):
    wanted = reference("face_locator")
    assert len(locator.state_dict()) == 16
    found = locator(wanted["mask"][0])
    assert (found - wanted["embedding"][:, :, 0]).abs().max() < 1e-4


@pytest.mark.slow
def test_what_the_reference_network_writes(reference, bank):
    wanted = reference("reference")
    made, last = bank
    names = [name for name in wanted if "transformer_blocks" in name]
    assert len(names) == len(made) == 16
    for name in names:
        found = made[name][:, ::2] if made[name].shape[1] == 256 else made[name]
        assert (found - wanted[name]).abs().max() < 1e-4, name
    assert (last[:, ::8] - wanted["last_hidden"]).abs().max() < 1e-4


@pytest.mark.slow
def test_the_denoising_network(reference, bank, locator):
    wanted = reference("denoising")
    with torch.device("meta"):
        network = denoising_unet(DENOISING_CONFIG)
    assert len(network.state_dict()) == 1253
    codes = denoising_codes(network)
    state, motion = split(
        {
            name: codes[name] if name in codes else torch.from_numpy(_values(theirs(name), tuple(tensor.shape)))
            for name, tensor in network.state_dict().items()
        }
    )
    assert (len(state), len(motion)) == (686, 588)
    assert sum(t.numel() for t in motion.values()) == 453_209_280 + 1_208_320
    ready = merged(state, motion)
    assert ready.keys() == network.state_dict().keys()
    network.load_state_dict(ready, assign=True)
    del state, motion, ready
    network.eval().requires_grad_(False)
    denoise = Denoising(network)
    face = locator(wanted["mask"][0])
    seen = {}

    def watch(name):
        module = network.get_submodule("conv_in" if name == "conv_in_plus_face" else name)

        def keep(module, given, out):
            seen[name] = out[0] if isinstance(out, tuple) else out

        return module.register_forward_hook(keep)

    kept = {key: key.removeprefix("hidden.").split(".channels_step_") for key in wanted if key.startswith("hidden.")}
    hooks = [watch(name) for name, _ in kept.values()]
    with torch.inference_mode():
        found = denoise(wanted["latents"], 499, wanted["audio"][0], bank[0], face)
        assert (found - wanted["prediction_cond_t499"]).abs().max() < 1e-4
        for key, (name, step) in kept.items():
            frames = seen[name].transpose(0, 1)[None]  # (b·f, c, …) → (b, c, f, …)
            assert (frames[:, :: int(step)] - wanted[key]).abs().max() < 1e-4, name
        for hook in hooks:
            hook.remove()
        assert (found - wanted["prediction_cfg_t499"][1:]).abs().max() < 1e-4
        for tokens in (50, 1):  # attention to zeros adds its bias, however many there are
            blind = denoise(wanted["latents"], 499, torch.zeros(4, tokens, 384), {}, None)
            assert (blind - wanted["prediction_cfg_t499"][:1]).abs().max() < 1e-4
        found = denoise(wanted["latents"], 999, wanted["audio"][0], bank[0], face)
        assert (found - wanted["prediction_cond_t999"]).abs().max() < 1e-4
        found = denoise(wanted["latents12"], 166, wanted["audio12"][0], bank[0], face)
        assert (found - wanted["prediction12_cond_t166"]).abs().max() < 1e-4


def denoising_codes(network):
    """The positions of the motion modules, which no file of numbers decides: (1, 32, width) sine and cosine."""
    codes = {}
    for name, tensor in network.state_dict().items():
        if name.endswith("pos_embed.pe"):
            width = tensor.shape[2]
            at = torch.arange(32)[:, None] * torch.exp(torch.arange(0, width, 2) * (-np.log(10_000.0) / width))
            codes[name] = torch.stack((at.sin(), at.cos()), dim=2).reshape(1, 32, width)
    return codes


def test_every_entry_has_its_name_back():
    with torch.device("meta"):
        network = denoising_unet(DENOISING_CONFIG)
    for name in network.state_dict():
        assert diffusers_name(theirs(name)) == name
