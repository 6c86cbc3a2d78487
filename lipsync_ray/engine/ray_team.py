"""Train together on a cluster: Ray Train starts the processes, joins them, and starts them again when one is lost."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable
from typing import Any

from lipsync_ray.engine import driver_node
from lipsync_ray.engine.team import Body, Team
from lipsync_ray.errors import LipsyncError, TrainError

_POLL_S = 0.5
_STOP_S = 25.0  # for the step in work and its checkpoint, once the driver is to stop: schedulers kill after 30


def together(body: Body, count: int, gpu: bool, attempts: int, tell: Callable[[Any], None]) -> None:
    """Run `body` in so many processes of a Torch process group; a session must be open.

    Ctrl-C and SIGTERM reach the processes as :attr:`~lipsync_ray.engine.team.Team.stopping`, and go on from here once these
    have ended.

    Parameters
    ----------
    body : called with its place in the team and a function that brings what it is given to `tell`; has to be picklable, and
        to go on from what it has kept when it is started again
    gpu : each process has one
    attempts : starts in all
    tell : called in this thread

    Raises
    ------
    TrainError : given up
    """
    import ray
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    wire: Any = ray.remote(_Wire).options(**driver_node.options()).remote()
    failed: list[Exception] = []
    over = threading.Event()  # no join: CPython takes a thread for ended whose join a signal interrupts
    begun = False

    def fit() -> None:
        try:
            with tempfile.TemporaryDirectory(prefix="lipsync-ray-train-") as notes:
                TorchTrainer(
                    _member,
                    train_loop_config={"body": ray.put(body), "wire": wire},
                    torch_config=TorchConfig(backend="nccl" if gpu else "gloo"),
                    scaling_config=ScalingConfig(num_workers=count, use_gpu=gpu),
                    run_config=RunConfig(storage_path=notes, failure_config=FailureConfig(max_failures=attempts - 1)),
                ).fit()
        except Exception as error:
            failed.append(error)
        finally:
            over.set()

    def bring() -> None:
        nonlocal begun
        for said in ray.get(wire.take.remote()):
            begun = True
            tell(said)

    # In a thread of its own: in the main one Ray takes Ctrl-C for itself, and a training that it ended looks finished.
    threading.Thread(target=fit, name="train", daemon=True).start()
    try:
        while not over.wait(_POLL_S):
            bring()
    except BaseException:
        wire.stop.remote()
        if begun:  # else there is nothing to keep yet
            over.wait(_STOP_S)
            bring()
        raise
    bring()
    ray.kill(wire)
    if failed:
        _raise(failed[0], attempts)


def _raise(error: Exception, attempts: int) -> None:
    cause = _cause(error)
    if isinstance(cause, LipsyncError):
        raise cause from None
    said = str(cause).strip().splitlines()
    raise TrainError(
        f"the training was given up after {attempts} starts ({type(cause).__name__}: {said[-1] if said else ''}); "
        "what was learnt up to the last checkpoint is kept: the same command goes on from there"
    ) from error


class _Wire:
    """An actor between the driver and its processes: what they tell, and whether they are to stop."""

    def __init__(self) -> None:
        self._told: list[Any] = []
        self._stop = False

    def put(self, said: Any) -> None:
        self._told.append(said)

    def take(self) -> list[Any]:
        """What was told since the last call."""
        told, self._told = self._told, []
        return told

    def stop(self) -> None:
        self._stop = True

    def stopping(self) -> bool:
        return self._stop


def _member(config: dict[str, Any]) -> None:
    import ray
    import torch
    from ray.train import get_context

    context, wire = get_context(), config["wire"]
    if not torch.cuda.is_available():
        torch.set_num_threads(1)
    stopping = threading.Event()

    def listen() -> None:
        while not stopping.is_set():
            if ray.get(wire.stopping.remote()):
                stopping.set()
            time.sleep(_POLL_S)

    threading.Thread(target=listen, daemon=True).start()
    body: Body = ray.get(config["body"])
    team = Team(context.get_world_rank(), context.get_world_size(), stopping.is_set)
    body(team, lambda said: ray.get(wire.put.remote(said)))
    stopping.set()  # nothing is left to listen for


def _cause(error: BaseException) -> BaseException:
    """The innermost reason: of a worker, where there is one."""
    failures = getattr(error, "worker_failures", None)
    if failures:
        error = next(iter(failures.values()))
    inner = getattr(error, "cause", None) or error.__cause__
    return _cause(inner) if isinstance(inner, BaseException) else error
