import pytest
import torch

from lipsync_ray.devices import device_of

SWITCHES = (
    (torch.backends.cudnn, "benchmark"),
    (torch.backends.cudnn, "deterministic"),
    (torch.backends.cudnn, "allow_tf32"),
    (torch.backends.cuda.matmul, "allow_tf32"),
)


@pytest.fixture
def fastest():
    """The switches as somebody in a hurry sets them; as they were, afterwards."""
    before = switches()
    turn((True, False, True, True))
    yield
    turn(before)


def turn(values):
    for (owner, name), value in zip(SWITCHES, values, strict=True):
        setattr(owner, name, value)


def switches():
    return [getattr(owner, name) for owner, name in SWITCHES]


def test_a_gpu_computes_the_same_every_time_and_fp32_in_full(fastest):
    assert device_of("cuda:1") == torch.device("cuda", 1)
    assert switches() == [False, True, False, False]


def test_a_cpu_is_left_as_it_is(fastest):
    assert device_of("cpu") == torch.device("cpu")
    assert switches() == [True, False, True, True]
