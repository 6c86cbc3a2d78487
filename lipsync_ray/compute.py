"""What this process may compute with: CPUs that affinity and control groups leave of the machine's, threads, and devices."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # torch takes seconds, and the driver does without
    import torch

# Threads of one process gain little beyond: a fifth of a segment's work holds Python's lock (docs/performance.md).
MOST_THREADS = 6
_GROUPS = Path("/proc/self/cgroup")
_MOUNT = Path("/sys/fs/cgroup")


def usable_cpus() -> float:
    """CPUs, a part of one included: the smaller of the affinity's and the quotas of all control groups (v1 and v2)."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min([float(affinity), *_quotas()])


def whole_cpus() -> int:
    """As :func:`usable_cpus`, for what is counted: at least 1."""
    return max(1, int(usable_cpus()))


def one_thread() -> None:
    """Keep this process's numeric libraries to one thread, on which the last bits of their sums depend."""
    import torch

    torch.set_num_threads(1)


def device_of(name: str) -> torch.device:
    """A device by its name; a GPU then computes the same bits every time, and fp32 in full.

    cuDNN's fastest transposed convolution adds up in the order in which its blocks happen to end, and its fp32
    convolution is TF32, of 10 bits, by default: a video drawn after a restart would have other pixels, and a score
    other digits than on a CPU. The switches are the process's own, for every network in it.
    """
    import torch

    device = torch.device(name)
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False
    return device


def _quotas() -> Iterator[float]:
    """What each control group around this process allows, where it does not allow everything."""
    try:
        lines = _GROUPS.read_text().splitlines()
    except OSError:  # not Linux, or no /proc
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            mounts = [_MOUNT, _MOUNT / "unified"]
        elif "cpu" in controllers.split(","):
            mounts = [_MOUNT / controllers, _MOUNT / "cpu"]
        else:
            continue
        inner = PurePosixPath(path.lstrip("/"))
        for mount in mounts:
            # In a container the mount is the group itself, and the path that is told may not be there.
            for folder in {mount, *(mount / part for part in (inner, *inner.parents))}:
                if (quota := _quota(folder)) is not None:
                    yield quota


def _quota(folder: Path) -> float | None:
    try:
        if (both := folder / "cpu.max").exists():
            allowed, period = both.read_text().split()
        else:
            allowed = (folder / "cpu.cfs_quota_us").read_text()
            period = (folder / "cpu.cfs_period_us").read_text()
        return int(allowed) / int(period) if int(allowed) > 0 else None
    except (OSError, ValueError, ZeroDivisionError):  # none here, or "max"
        return None
