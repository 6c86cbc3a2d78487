"""Whether every node of a cluster sees the files that a run reads and writes, before anything is spent."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from lipsync_ray.errors import ClusterError
from lipsync_ray.io import storage

_FOLDERS = 100  # of inputs, one file of each
_TRIES = 4  # a network file system may show a new file a moment later elsewhere
_PAUSE_S = 1.0
_PATIENCE_S = 120.0  # for a node's first process; one that does not answer has its say when rows come to it


def samples(urls: Iterable[str]) -> list[str]:
    """One file of every folder of this machine's disks that is there; what lies in a store is seen by all."""
    found: dict[str, str] = {}
    for url in urls:
        if storage.is_local(url) and len(found) < _FOLDERS:
            found.setdefault(storage.parent(url), url)
    return [url for url in found.values() if storage.is_there(url)]


def check(urls: Sequence[str]) -> None:
    """Ask every node of the session's cluster for these files.

    Raises
    ------
    ClusterError : a node does not see one, in one sentence
    """
    if not urls:
        return
    import ray

    nodes = {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}
    if len(nodes) > 1:
        refuse([(nodes[node], lost) for node, lost in ask(nodes, urls).items()])


def ask(nodes: Iterable[str], urls: Sequence[str]) -> dict[str, list[str]]:
    """Node → which of the files it does not see, of the nodes that answer."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    look = ray.remote(num_cpus=0, max_retries=0)(unseen)
    asked = {
        look.options(scheduling_strategy=NodeAffinitySchedulingStrategy(n, soft=False)).remote(urls): n for n in nodes
    }
    done, _ = ray.wait(list(asked), num_returns=len(asked), timeout=_PATIENCE_S)
    found = {}
    for answer in done:
        try:
            found[asked[answer]] = ray.get(answer)
        except ray.exceptions.RayError:
            continue  # a node that goes away is no reason to stop
    return found


def unseen(urls: Sequence[str]) -> list[str]:
    """The files that are not there, seen from here."""
    lost = list(urls)
    for attempt in range(_TRIES):
        lost = [url for url in lost if not storage.is_there(url)]
        if not lost:
            break
        if attempt < _TRIES - 1:
            time.sleep(_PAUSE_S)
    return lost


def refuse(lost: Iterable[tuple[str, Sequence[str]]]) -> None:
    """Say what a node does not see.

    Parameters
    ----------
    lost : (address of a node, files) of each; several nodes may have one address

    Raises
    ------
    ClusterError
    """
    blind = sorted((node, urls) for node, urls in lost if urls)
    if not blind:
        return
    node, urls = blind[0]
    more = f" (and {len(urls) - 1} more)" if len(urls) > 1 else ""
    others = f", nor do {len(blind) - 1} other nodes" if len(blind) > 1 else ""
    raise ClusterError(
        f"node {node} does not see {urls[0]}{more}{others}. Inputs and OUT of a run on several nodes have to be shared by all of "
        "them (NFS, EFS, Lustre, mounted at the same path), or in a bucket"
    )
