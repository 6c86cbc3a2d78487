import pickle
import warnings

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from lipsync_ray.errors import CheckpointError, WeightsError
from lipsync_ray.models import generators
from lipsync_ray.models.checkpoint import load_into, read_state
from lipsync_ray.models.mini import Mini
from lipsync_ray.models.wav2lip import Wav2Lip


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return Mini().eval()


def same(state, network):
    return all(torch.equal(state[name], tensor) for name, tensor in network.state_dict().items())


def test_safetensors(tmp_path, network):
    save_file(network.state_dict(), tmp_path / "a.safetensors")
    assert same(read_state(tmp_path / "a.safetensors"), network)


def test_half_precision_files_come_as_float32(tmp_path, network):
    save_file(
        {name: t.half() if t.is_floating_point() else t for name, t in network.state_dict().items()},
        tmp_path / "a.safetensors",
    )
    assert read_state(tmp_path / "a.safetensors")["flow.weight"].dtype == torch.float32


def test_plain_state_dict(tmp_path, network):
    torch.save(network.state_dict(), tmp_path / "a.pth")
    assert same(read_state(tmp_path / "a.pth"), network)


@pytest.mark.parametrize("old", [False, True])
def test_what_the_training_code_saved(tmp_path, network, old):
    """Both of torch's pickle containers, the `module.` prefix, an optimizer's state with numpy numbers."""
    content = {
        "state_dict": {f"module.{name}": tensor for name, tensor in network.state_dict().items()},
        "optimizer": {"state": {0: {"step": 3, "exp_avg": torch.zeros(2)}}, "param_groups": [{"lr": np.float64(1e-4)}]},
        "global_step": np.int64(7),
        "global_epoch": 2,
    }
    torch.save(content, tmp_path / "a.pth", _use_new_zipfile_serialization=not old)
    assert same(read_state(tmp_path / "a.pth"), network)


def test_torchscript_archive(tmp_path, network):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(network, (torch.zeros(1, 1, 80, 16), torch.zeros(1, 6, 96, 96)))
        torch.jit.save(traced, tmp_path / "a.pt")
    state = read_state(tmp_path / "a.pt")
    fresh = Mini()
    load_into(fresh, {name: state[name] for name in fresh.state_dict()}, "a.pt")
    assert same(fresh.state_dict(), network)


@pytest.mark.parametrize("head", [b"<!DOCTYPE html><html>", b"\r\n  <html lang=en>", b"\xef\xbb\xbf<!doctype HTML>"])
def test_a_web_page_is_refused(tmp_path, head):
    path = tmp_path / "wav2lip_gan.pth"
    path.write_bytes(head + b"x" * 5000)
    with pytest.raises(WeightsError, match="web page"):
        read_state(path)


class Evil:
    def __reduce__(self):
        import os

        return os.mkdir, ("/tmp/lipsync-ray-was-here",)


@pytest.mark.parametrize("content", [b"garbage", b"", pickle.dumps({"state_dict": Evil()}), pickle.dumps([1, 2])])
def test_what_is_no_checkpoint_is_refused_without_running_it(tmp_path, content):
    path = tmp_path / "a.pth"
    path.write_bytes(content)
    with pytest.raises(WeightsError):
        read_state(path)
    import os

    assert not os.path.exists("/tmp/lipsync-ray-was-here")


def test_a_torch_file_with_code_in_it_is_refused(tmp_path):
    torch.save({"state_dict": Evil()}, tmp_path / "a.pth")
    with pytest.raises(WeightsError, match="safely"):
        read_state(tmp_path / "a.pth")


def test_other_entries_are_named(tmp_path, network):
    state = dict(network.state_dict())
    del state["flow.bias"]
    state["surplus"] = torch.zeros(1)
    state["flow.weight"] = torch.zeros(2, 16, 5, 5)
    with pytest.raises(CheckpointError, match=r"1 missing \(flow.bias\).*surplus.*of another shape \(flow.weight\)"):
        load_into(Mini(), state, "a.pth")


def test_a_path_is_verified_before_anything_starts(tmp_path, network):
    torch.save(network.state_dict(), tmp_path / "good.pth")
    generators.verify(tmp_path / "good.pth")
    torch.save({"weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match="not a lip-sync generator"):
        generators.verify(tmp_path / "other.pth")
    half = {name: t for name, t in Wav2Lip().state_dict().items() if not name.startswith("audio")}
    torch.save(half, tmp_path / "half.pth")
    with pytest.raises(CheckpointError, match="missing"):
        generators.verify(tmp_path / "half.pth")
