"""Distributed training on a cluster: Ray Train starts the processes, connects them, and restarts them when one is lost."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable
from typing import Any

from lipsync_ray.compute import one_thread
from lipsync_ray.engine import driver_node
from lipsync_ray.engine.team import Body, Team
from lipsync_ray.errors import LipsyncError, TrainError

_POLL_S = 0.5
_STOP_S = 25.0  # to finish the current step and its checkpoint when the driver is stopped: schedulers kill after 30


def together(body: Body, count: int, gpu: bool, attempts: int, notify: Callable[[Any], None]) -> None:
    """Run `body` in `count` processes of a Torch process group; a session must be open.

    Ctrl-C and SIGTERM reach the processes as :attr:`~lipsync_ray.engine.team.Team.stopping`; they are raised here again
    after the processes have ended.

    Parameters
    ----------
    body : called with its :class:`Team` and a function that passes its argument to `notify`; must be picklable, and
        resume from its checkpoint when it is restarted
    gpu : each process gets one GPU
    attempts : number of starts in all
    notify : called in this thread

    Raises
    ------
    TrainError : the training was given up
    """
    import ray
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    wire: Any = ray.remote(_Wire).options(**driver_node.options()).remote()
    failed: list[Exception] = []
    over = threading.Event()  # no join: if a signal interrupts it, CPython takes the thread for ended
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

    def deliver() -> None:
        nonlocal begun
        for message in ray.get(wire.receive.remote()):
            begun = True
            notify(message)

    # Not in the main thread: there Ray handles Ctrl-C itself, and a training ended that way looks finished.
    threading.Thread(target=fit, name="train", daemon=True).start()
    try:
        while not over.wait(_POLL_S):
            deliver()
    except BaseException:
        wire.stop.remote()
        if begun:  # else there is no checkpoint to write yet
            over.wait(_STOP_S)
            deliver()
        raise
    deliver()
    ray.kill(wire)
    if failed:
        _raise(failed[0], attempts)


def _raise(error: Exception, attempts: int) -> None:
    cause = _cause(error)
    if isinstance(cause, LipsyncError):
        raise cause from None
    message = str(cause).strip().splitlines()
    raise TrainError(
        f"the training was given up after {attempts} starts ({type(cause).__name__}: "
        f"{message[-1] if message else ''}); "
        "the last checkpoint is kept: the same command resumes from it"
    ) from error


class _Wire:
    """An actor between the driver and its processes: carries their messages and the request to stop."""

    def __init__(self) -> None:
        self._messages: list[Any] = []
        self._stop = False

    def put(self, message: Any) -> None:
        self._messages.append(message)

    def receive(self) -> list[Any]:
        """Messages since the last call."""
        messages, self._messages = self._messages, []
        return messages

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
        one_thread()
    stopping = threading.Event()

    def poll_stop() -> None:
        while not stopping.is_set():
            if ray.get(wire.stopping.remote()):
                stopping.set()
            time.sleep(_POLL_S)

    threading.Thread(target=poll_stop, daemon=True).start()
    body: Body = ray.get(config["body"])
    team = Team(context.get_world_rank(), context.get_world_size(), stopping.is_set)
    body(team, lambda message: ray.get(wire.put.remote(message)))
    stopping.set()  # ends the polling thread


def _cause(error: BaseException) -> BaseException:
    """The innermost cause, of a worker if there is one."""
    failures = getattr(error, "worker_failures", None)
    if failures:
        error = next(iter(failures.values()))
    inner = getattr(error, "cause", None) or error.__cause__
    return _cause(inner) if isinstance(inner, BaseException) else error
