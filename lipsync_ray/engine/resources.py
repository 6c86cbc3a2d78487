"""Divides a machine or cluster among the stages of a job."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from lipsync_ray.engine.runners import Cluster
from lipsync_ray.engine.stages import Stage, StageSpec
from lipsync_ray.errors import SettingsError
from lipsync_ray.settings import Workers

_DECODING = 0.1  # share of each GPU for the processes that decode on it
_SPARE_CPUS = 0.1  # CPUs left unreserved: a pool that reserves all of them blocks the stages that feed it


def picture_bytes(side: int) -> int:
    """Size of a square colour picture, which a stage passes on for each frame."""
    return side * side * 3


@dataclass(frozen=True)
class Pool:
    """Processes of a stage: what Ray reserves for each, whether consecutive stages may share them, whether to prefer
    spot nodes.
    """

    workers: int
    cpus: float
    gpus: float = 0.0
    shares: bool = False
    spot: bool = False

    def stage(self, name: str, make: Callable[[], Stage], frame_bytes: int = 0) -> StageSpec:
        """Make a stage that runs in these processes.

        Parameters
        ----------
        frame_bytes : size of what it passes on for each frame of a row, where that is more than a few bytes
        """
        return StageSpec(name, make, self.workers, self.cpus, self.gpus, self.shares, self.spot, frame_bytes)


@dataclass(frozen=True)
class Layout:
    """Pools for stages that run a network, for readers before it and for writers after it."""

    model: Pool
    read: Pool
    write: Pool

    @property
    def device(self) -> str:
        """ "cuda" if the model's actors have a GPU, else "cpu"."""
        return "cuda" if self.model.gpus else "cpu"


def allocate(cluster: Cluster, workers: Workers, alone: bool, networks: int = 1, on_gpus: bool = False) -> Layout:
    """Divide a cluster.

    Parameters
    ----------
    alone : the network's stage is the job's only one, and may use every CPU
    networks : number of stages that run a network; each gets `Layout.model`, and they share a GPU
    on_gpus : readers and writers decode or encode on GPUs, and reserve a part of them

    Raises
    ------
    SettingsError : more GPUs requested than the cluster or its largest node has; or none to decode on
    """
    gpus = workers.gpus_per_actor
    if gpus is None:
        gpus = min(1.0, cluster.gpus)
    if gpus > cluster.gpus:
        raise SettingsError(
            f"--gpus-per-actor {gpus:g}: the cluster has {cluster.gpus:g} GPUs. Omit the option to use what there is."
        )
    if cluster.node_gpus is not None and gpus > cluster.node_gpus:
        raise SettingsError(
            f"--gpus-per-actor {gpus:g}: no node of the cluster has more than {cluster.node_gpus:g} GPUs, and an "
            "actor runs on one node. Request no more, or omit the option."
        )
    if on_gpus and not gpus:
        raise SettingsError(
            "--decoder cuda, or a codec of NVENC: the cluster has no GPU. Omit the option to decode and encode on CPUs."
        )
    cpus = max(1.0, cluster.cpus) - _SPARE_CPUS
    spot = (
        workers.placement == "spot"
    )  # with GPUs, only network stages: other runs' decoders should not occupy GPU nodes
    if gpus:
        count = workers.actors or max(1, int(cluster.gpus / gpus))
        rest = max(cpus - count, cpus / 2)
        share = min(1.0, (cpus - rest * 0.9) / count) if not alone else min(1.0, cpus / count)
        part = gpus / networks if gpus <= 1 else max(1.0, gpus // networks)
        read, write = _around(rest * 0.9)
        if on_gpus:
            # The reservation only makes the GPU visible to the process: NVDEC does not use the networks' cores.
            each = _DECODING * cluster.gpus / (read.workers + write.workers)
            read, write = replace(read, gpus=each), replace(write, gpus=each)
            part *= 1 - _DECODING
        return Layout(Pool(count, share / networks, part, spot=spot), read, write)
    # An actor on CPUs computes in one thread: the last bits of a float32 product depend on the number of threads, and a
    # dub must not depend on the machine's size. Stages share the CPUs; the operating system schedules them.
    count = workers.actors or max(1, int(cluster.cpus))
    share = cpus if alone else cpus / 2
    # With one actor per CPU, further processes only add import time and transfers of crops. With fewer actors, the
    # other stages need their own processes.
    shares = count >= int(cluster.cpus)
    pools = (Pool(count, min(1.0, share / count) / networks), *_around(cpus / 2))
    return Layout(*(replace(pool, shares=shares, spot=spot) for pool in pools))


def _around(cpus: float) -> tuple[Pool, Pool]:
    """Split ``cpus`` CPUs between readers and writers. A writer decodes again and encodes: three times a reader's work."""
    readers, writers = max(1, int(cpus / 4)), max(1, int(cpus * 3 / 4))
    return Pool(readers, min(1.0, cpus / 4 / readers)), Pool(writers, min(1.0, cpus * 3 / 4 / writers))
