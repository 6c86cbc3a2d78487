"""Checks that a Ray cluster answers at an address, because Ray itself would retry for a quarter of an hour."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from urllib.parse import urlsplit

from lipsync_ray.engine.stderr import suppress_stderr
from lipsync_ray.errors import ClusterError

CONNECT_S = 10.0
ANSWER_S = 20.0
_CLIENT_PORT = 10001


def check_address(address: str, option: str) -> None:
    """Check that a cluster answers.

    Parameters
    ----------
    address : ``host:port`` of a head node, ``ray://host:port``, or ``auto`` for a cluster on this machine
    option : where the address was given, for the message

    Raises
    ------
    ClusterError : nothing listens there, or it is not a healthy Ray cluster
    """
    if address == "auto":
        _check_any(option)
        return
    host, port, client = _parts(address, option)
    try:
        socket.create_connection((host, port), timeout=CONNECT_S).close()
    except OSError as error:
        raise ClusterError(
            f"{option} {address}: no Ray cluster answers there ({error.strerror or error}); start it, or omit the "
            "address to run on this machine"
        ) from error
    with suppress_stderr():
        well = client or _within(ANSWER_S, lambda: _healthy(f"{host}:{port}"))
    if not well:
        raise ClusterError(f"{option} {address}: something listens there, but it is not a healthy Ray cluster")


def _check_any(option: str) -> None:
    from ray._private.services import find_gcs_addresses

    if not find_gcs_addresses():
        raise ClusterError(f"{option} auto: no Ray cluster runs on this machine; start it, or omit the address")


def _parts(address: str, option: str) -> tuple[str, int, bool]:
    """(host, port, whether it is a Ray client server)."""
    client = address.startswith("ray://")
    if "://" in address and not client:
        raise ClusterError(f"{option} {address}: expected host:port of a Ray head node, or ray://host:port")
    try:
        parts = urlsplit(address if client else f"//{address}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or (port is None and not client):
        raise ClusterError(f"{option} {address}: expected host:port of a Ray head node, or ray://host:port")
    return host, port or _CLIENT_PORT, client


def _healthy(address: str) -> bool:
    from ray._raylet import GcsClient  # type: ignore[attr-defined]

    GcsClient(address=address)  # connects, or raises
    return True


def _within(seconds: float, call: Callable[[], bool]) -> bool:
    """Result of a call; False if it takes longer than `seconds`, or fails."""
    answers: list[bool] = []

    def ask() -> None:
        try:
            answers.append(call())
        except Exception:
            answers.append(False)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    return bool(answers and answers[0])
