"""A connection to Ray: to the cluster this process was submitted to, or to a local Ray."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from lipsync_ray.compute import whole_cpus
from lipsync_ray.engine import cluster_state, flows, ray_executions
from lipsync_ray.engine.cluster_check import check_address
from lipsync_ray.engine.exit_watchdog import ExitWatchdog
from lipsync_ray.engine.runners import Cluster
from lipsync_ray.engine.start_failures import known_cause
from lipsync_ray.engine.stderr import suppress_stderr
from lipsync_ray.errors import ClusterError
from lipsync_ray.home import home

LOCAL_STORE_BYTES = 512 << 20  # rows carry at most crops: 5 MB for 8 s
STARTS = 2
PAUSE_S = 5.0  # between two starts
NODES_S = 30.0  # wait for the first node with a CPU

_ENVIRONMENT = {
    # Local workers run in this very environment: no upload of the folder, no `uv run` of their own.
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    # A thread that still runs after the session has ended must not start another one.
    "RAY_ENABLE_AUTO_CONNECT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    # Throttle a stage by what waits for the next one, however empty the object store is (see ray_data.RUN_AHEAD).
    "RAY_DATA_DOWNSTREAM_CAPACITY_OBJECT_STORE_BUDGET_UTIL_THRESHOLD": "0",
    # Decoder and encoder threads allocate and free frames; with an arena per thread, freed memory is not returned.
    "MALLOC_ARENA_MAX": "2",
    # The job prints its own messages; Ray's are in its log files.
    "RAY_DATA_LOG_LEVEL": "CRITICAL",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    # A busy machine starts processes slowly, which is no reason to give up.
    "RAY_worker_register_timeout_seconds": "600",
    "RAY_agent_register_timeout_ms": "600000",
    "RAY_gcs_server_request_timeout_seconds": "120",
    # Small tasks come in bursts. A process that has imported its libraries is kept for the next one.
    "RAY_idle_worker_killing_time_threshold_ms": "600000",
}
_LOGGERS = {"ray": logging.WARNING, "ray._private.authentication.authentication_token_setup": logging.ERROR}
_KILLED_MESSAGE = (
    "error: this process ended in the middle of its work: it was killed, memory ran out, Ray's head process was "
    "lost, or a library crashed. Finished work is kept: run the same command again to resume."
)


def is_elsewhere(address: str | None) -> bool:
    """Whether this address or ``$RAY_ADDRESS`` names a cluster."""
    return (address or os.environ.get("RAY_ADDRESS") or "local") != "local"


@contextmanager
def session(address: str | None = None, gpus: int | None = None) -> Iterator[Cluster]:
    """Open a connection. One that is already open is used and left open.

    Parameters
    ----------
    address : of a cluster; None for the one in ``$RAY_ADDRESS`` (as inside ``ray job submit``), else a new local one
    gpus : of a new local one; None for all that Ray finds

    Raises
    ------
    ClusterError : no cluster answers at the address, Ray does not start, or no node has a CPU
    """
    where = address or os.environ.get("RAY_ADDRESS")
    here = not is_elsewhere(address)
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if not here and where:
        check_address(where, "--address" if address else "$RAY_ADDRESS")
    else:
        _have_token()
    import ray

    for name, level in _LOGGERS.items():
        logging.getLogger(name).setLevel(level)
    if ray.is_initialized():
        try:
            yield _cluster()
        finally:
            _end_threads()
        return
    watchdog = ExitWatchdog(_KILLED_MESSAGE)
    try:
        if here:  # before the start, which can be killed, too
            watchdog.clear(ray._common.utils.get_default_ray_temp_dir(), f"session_*_{os.getpid()}")
        _open(None if here else where, gpus)
        yield _cluster()
    finally:
        watchdog.ends()
        try:
            _end_threads()
        finally:
            with suppress_stderr(), cluster_state.no_queries():
                ray.shutdown()
            watchdog.done()


def _end_threads() -> None:
    """End the threads that still query Ray."""
    with suppress_stderr():
        flows.end_all()
        ray_executions.end_all()


def _have_token() -> None:
    """Set a secret for the new cluster if Ray cannot store its own at ~/.ray/auth_token, in a missing or read-only
    home.
    """
    if any(os.environ.get(name) for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")):
        return
    token_file = home() / ".ray" / "auth_token"
    nearest = next(folder for folder in token_file.parents if folder.exists())
    if not token_file.exists() and not os.access(nearest, os.W_OK):
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


def _cluster() -> Cluster:
    """Resources of the connected cluster.

    Raises
    ------
    ClusterError : no node has a CPU, and no autoscaler will add one
    """
    import ray

    until = time.monotonic() + NODES_S
    while not (total := ray.cluster_resources()).get("CPU") and not cluster_state.has_autoscaler():
        if time.monotonic() > until:
            raise ClusterError(
                "the cluster has no CPU, and no autoscaler to add one. Ray counts 0 for a node that may use less "
                "than one CPU. Add a node (`ray start --address HEAD`), or start one with `--num-cpus 1`."
            )
        time.sleep(1.0)
    alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    most = max((node.get("GPU", 0.0) for node in alive), default=0.0)
    return Cluster(total.get("CPU", 1.0), total.get("GPU", 0.0), len(alive), most)


def _open(address: str | None, gpus: int | None) -> None:
    """Connect, or start a local Ray; up to :data:`STARTS` times."""
    import ray

    on_term = signal.getsignal(signal.SIGTERM)
    for attempt in range(STARTS):
        try:
            with suppress_stderr():
                if address is not None:
                    ray.init(address=address, logging_level=logging.WARNING, log_to_driver=False)
                else:
                    with _given_ports(), _loopback():
                        ray.init(
                            address="local",
                            num_cpus=whole_cpus(),
                            num_gpus=gpus,
                            include_dashboard=False,
                            object_store_memory=LOCAL_STORE_BYTES,
                            logging_level=logging.WARNING,
                            log_to_driver=False,
                        )
            break
        except Exception as error:
            with suppress_stderr():
                ray.shutdown()
            if cause := known_cause(error, address):
                raise ClusterError(cause) from error
            if attempt == STARTS - 1:
                lines = str(error).strip().splitlines()
                place = f"at {address}" if address else "on this machine"
                raise ClusterError(
                    f"Ray does not start {place} ({lines[0] if lines else type(error).__name__}). It was tried "
                    f"{STARTS} times; if the machine is very busy, try again later."
                ) from error
            time.sleep(PAUSE_S)
    ray._private.worker.print_to_stdstream = lambda *_, **__: None  # raylets' messages are in their log files
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, on_term)  # Ray's own handler dumps a stack


@contextmanager
def _given_ports() -> Iterator[None]:
    """Make Ray start its helpers on ports chosen here.

    Otherwise its raylet waits 15 seconds for each helper to write down its port, then gives up: on a busy machine a
    helper takes a minute. `ray.init` has no argument for it, and Ray passes one of the ports only to the helper.
    """
    from ray._private import parameter, ray_constants, services

    names = ("metrics_agent_port", "dashboard_agent_listen_port", "runtime_env_agent_port", "metrics_export_port")
    ports = dict(zip(names, _free_ports(len(names)), strict=True))
    make: Callable[..., None] = parameter.RayParams.__init__
    start: Callable[..., Any] = services.start_ray_process

    def making(self: Any, *arguments: Any, **options: Any) -> None:
        make(self, *arguments, **options)
        vars(self).update(ports)

    def starting(command: list[str], process_type: str, *arguments: Any, **options: Any) -> Any:
        if process_type == ray_constants.PROCESS_TYPE_RAYLET:
            command = [*command, f"--dashboard_agent_listen_port={ports['dashboard_agent_listen_port']}"]
        return start(command, process_type, *arguments, **options)

    parameter.RayParams.__init__, services.start_ray_process = making, starting
    try:
        yield
    finally:
        parameter.RayParams.__init__, services.start_ray_process = make, start


@contextmanager
def _loopback() -> Iterator[None]:
    """Make Ray's processes listen on the loopback address only.

    Even with 127.0.0.1 Ray picks a reachable address for its node and listens on all addresses, unless it believes that
    it cannot form a cluster. `ray.init` has no argument for that, and the variable for it is read only once.
    """
    from ray._private import ray_constants

    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


def _free_ports(count: int) -> list[int]:
    import socket

    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()
