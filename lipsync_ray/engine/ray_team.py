"""Train together on a cluster: Ray Train starts the processes, joins them, and starts them again when one is lost."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from typing import Any

from lipsync_ray.engine import beside_driver
from lipsync_ray.engine.team import Body, Team
from lipsync_ray.errors import LipsyncError, TrainError

_POLL_S = 0.5


def together(body: Body, count: int, gpu: bool, attempts: int, tell: Callable[[Any], None]) -> None:
    """Run `body` in so many processes of a Torch process group; a session must be open.

    Parameters
    ----------
    body : called with its place in the team and a function that brings what it is given to `tell`; has to be picklable, and
        to go on from what it has kept when it is started again
    gpu : each process has one
    attempts : starts in all

    Raises
    ------
    TrainError : given up
    """
    import ray
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer
    from ray.util.queue import Queue

    told = Queue(actor_options=beside_driver.options())
    ended = threading.Event()

    def bring() -> None:
        while not ended.is_set() or told.qsize():
            for line in told.get_nowait_batch(told.qsize()):
                tell(line)
            ended.wait(_POLL_S)

    bringing = threading.Thread(target=bring, daemon=True)
    bringing.start()
    with tempfile.TemporaryDirectory(prefix="lipsync-ray-train-") as notes:
        trainer = TorchTrainer(
            _member,
            train_loop_config={"body": ray.put(body), "told": told},
            torch_config=TorchConfig(backend="nccl" if gpu else "gloo"),
            scaling_config=ScalingConfig(num_workers=count, use_gpu=gpu),
            run_config=RunConfig(storage_path=notes, failure_config=FailureConfig(max_failures=attempts - 1)),
        )
        try:
            trainer.fit()
        except Exception as error:
            cause = _cause(error)
            if isinstance(cause, LipsyncError):
                raise cause from None
            said = str(cause).strip().splitlines()
            raise TrainError(
                f"the training was given up after {attempts} starts ({type(cause).__name__}: {said[-1] if said else ''}); "
                "what was learnt up to the last checkpoint is kept: the same command goes on from there"
            ) from error
        finally:
            ended.set()
            bringing.join()
            told.shutdown()


def _member(config: dict[str, Any]) -> None:
    import ray
    import torch
    from ray.train import get_context

    context = get_context()
    if not torch.cuda.is_available():
        torch.set_num_threads(1)
    body: Body = ray.get(config["body"])
    body(Team(context.get_world_rank(), context.get_world_size()), config["told"].put)


def _cause(error: BaseException) -> BaseException:
    """The innermost reason: of a worker, where there is one."""
    failures = getattr(error, "worker_failures", None)
    if failures:
        error = next(iter(failures.values()))
    inner = getattr(error, "cause", None) or error.__cause__
    return _cause(inner) if isinstance(inner, BaseException) else error
