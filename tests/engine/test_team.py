"""Processes that train together: they share gradients, and start again when one is killed."""

import os
import signal
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from lipsync_ray.engine.inline_runner import InlineRunner
from lipsync_ray.engine.ray_runner import RayRunner
from lipsync_ray.engine.team import ALONE, Team
from lipsync_ray.errors import ProbeError, SettingsError, TrainError


def add(folder, team, notify):
    """The mean of both ranks' gradients; rank 1 is killed the first time."""
    import torch
    from torch.nn.parallel import DistributedDataParallel

    mark = Path(folder) / "started"
    if team.rank == 1 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    layer = torch.nn.Linear(1, 1, bias=False)
    shared = DistributedDataParallel(layer) if team.world_size > 1 else layer
    shared(torch.full((1, 1), float(team.rank + 1))).sum().backward()
    agreed = team.broadcast(team.rank == 0)
    if team.rank == 0:
        notify((team.world_size, float(layer.weight.grad), agreed))


def fail(team, notify):
    raise ProbeError("no such clip")


def die(team, notify):
    os.kill(os.getpid(), signal.SIGKILL)


def count(folder, team, notify):
    """Counts until it is to stop, then takes a second for what it keeps."""
    number = 0
    while not team.broadcast(team.stopping()):
        number += 1
        if team.rank == 0:
            notify(number)
        time.sleep(0.2)
    time.sleep(1)
    (Path(folder) / f"kept-{team.rank}").write_text(str(number))
    if team.rank == 0:
        notify(-number)


def test_alone_it_runs_here():
    messages = []
    InlineRunner().together(lambda team, notify: notify(team), 1, False, 1, messages.append)
    assert messages == [ALONE] == [Team(0, 1)]
    assert ALONE.broadcast(True)
    with pytest.raises(SettingsError, match="2 processes"):
        InlineRunner().together(fail, 2, False, 1, messages.append)


@pytest.mark.nightly
def test_two_share_gradients_and_start_again_when_one_is_killed(cluster, tmp_path):
    messages = []
    RayRunner(cluster).together(partial(add, str(tmp_path)), 2, False, 2, messages.append)
    assert (tmp_path / "started").exists()
    assert np.allclose(messages, [(2, 1.5, True)])


@pytest.mark.nightly
def test_what_a_member_says_on_purpose_comes_through(cluster):
    with pytest.raises(ProbeError, match="no such clip"):
        RayRunner(cluster).together(fail, 1, False, 1, print)


@pytest.mark.nightly
def test_it_is_given_up_after_so_many_starts(cluster):
    with pytest.raises(TrainError, match="given up after 2 starts"):
        RayRunner(cluster).together(die, 1, False, 2, print)


@pytest.mark.nightly
def test_who_stops_the_driver_gets_what_the_processes_keep(cluster, tmp_path):
    messages = []

    def notify(number):
        messages.append(number)
        if number == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        RayRunner(cluster).together(partial(count, str(tmp_path)), 2, False, 1, notify)
    kept = [(tmp_path / f"kept-{rank}").read_text() for rank in (0, 1)]
    assert kept[0] == kept[1]
    assert messages[-1] == -int(kept[0])
