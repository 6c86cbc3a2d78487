import os

import pytest
import torch

from lipsync_ray import compute
from lipsync_ray.compute import device_of


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """Control groups on disk: {file: content}, and what /proc/self/cgroup says."""

    def make(said, files):
        for name, content in files.items():
            (tmp_path / "fs" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "fs" / name).write_text(content)
        (tmp_path / "cgroup").write_text(said)
        monkeypatch.setattr(compute, "_GROUPS", tmp_path / "cgroup")
        monkeypatch.setattr(compute, "_MOUNT", tmp_path / "fs")
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)

    return make


V1 = "4:memory:/a/b\n1:cpu,cpuacct:/a/b\n0::/\n"


@pytest.mark.parametrize(
    ("said", "files", "expected"),
    [
        ("0::/a/b\n", {"a/b/cpu.max": "150000 100000\n"}, 1.5),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "400000 100000\n"}, 4),
        ("0::/../../x\n", {"cpu.max": "50000 100000\n"}, 0.5),  # a container that sees its own group as the root
        ("0::/\n", {"cpu.max": "max 100000\n"}, 16),
        ("0::/\n", {"cpu.max": "9900000 100000\n"}, 16),
        (V1, {"cpu,cpuacct/a/b/cpu.cfs_quota_us": "200000", "cpu,cpuacct/a/b/cpu.cfs_period_us": "100000"}, 2),
        (V1, {"cpu/cpu.cfs_quota_us": "50000", "cpu/cpu.cfs_period_us": "100000"}, 0.5),
        (V1, {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 16),
        (V1, {"memory/a/b/cpu.max": "1 100000"}, 16),
        ("", {}, 16),
    ],
)
def test_quotas_of_control_groups_bound_the_affinity(groups, said, files, expected):
    groups(said, files)
    assert compute.usable_cpus() == expected
    assert compute.whole_cpus() == max(1, int(expected))


def test_affinity_counts(monkeypatch, tmp_path):
    monkeypatch.setattr(compute, "_GROUPS", tmp_path / "none")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3}, raising=False)
    assert compute.usable_cpus() == 1


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
