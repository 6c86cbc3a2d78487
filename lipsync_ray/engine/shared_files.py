"""Checks that every node of a cluster sees the files that a run reads and writes, before any work starts."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from lipsync_ray.errors import ClusterError
from lipsync_ray.io import storage

_FOLDERS = 100  # of inputs; one file of each is checked
_TRIES = 4  # a network file system may show a new file a moment later elsewhere
_PAUSE_S = 1.0
_ANSWER_S = 120.0  # for a node's first process; a node that does not answer is checked when it gets rows


def samples(urls: Iterable[str]) -> list[str]:
    """One existing file of every local folder. Files in object stores are visible to all nodes."""
    found: dict[str, str] = {}
    for url in urls:
        if storage.is_local(url) and len(found) < _FOLDERS:
            found.setdefault(storage.parent(url), url)
    return [url for url in found.values() if storage.is_there(url)]


def check(urls: Sequence[str]) -> None:
    """Check on every node of the session's cluster that these files exist.

    Raises
    ------
    ClusterError : a node does not see one of them
    """
    if not urls:
        return
    import ray

    nodes = {node["NodeID"]: node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}
    if len(nodes) > 1:
        refuse([(nodes[node], lost) for node, lost in ask(nodes, urls).items()])


def ask(nodes: Iterable[str], urls: Sequence[str]) -> dict[str, list[str]]:
    """Node → files that it does not see, for the nodes that answer."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    probe = ray.remote(num_cpus=0, max_retries=0)(unseen)
    asked = {
        probe.options(scheduling_strategy=NodeAffinitySchedulingStrategy(n, soft=False)).remote(urls): n for n in nodes
    }
    done, _ = ray.wait(list(asked), num_returns=len(asked), timeout=_ANSWER_S)
    found = {}
    for answer in done:
        try:
            found[asked[answer]] = ray.get(answer)
        except ray.exceptions.RayError:
            continue  # a lost node is no reason to stop
    return found


def unseen(urls: Sequence[str]) -> list[str]:
    """The files that do not exist on this node."""
    lost = list(urls)
    for attempt in range(_TRIES):
        lost = [url for url in lost if not storage.is_there(url)]
        if not lost:
            break
        if attempt < _TRIES - 1:
            time.sleep(_PAUSE_S)
    return lost


def refuse(lost: Iterable[tuple[str, Sequence[str]]]) -> None:
    """Raise an error if a node does not see a file.

    Parameters
    ----------
    lost : (address of a node, missing files) of each node; several nodes may have one address

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
        f"node {node} does not see {urls[0]}{more}{others}. On several nodes, inputs and OUT have to be on shared "
        "storage (NFS, EFS, Lustre, mounted at the same path) or in a bucket"
    )
