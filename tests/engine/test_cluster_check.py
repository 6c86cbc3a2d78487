"""Addresses at which no Ray cluster is: said at once, with the address."""

import socket
import time

import pytest

from lipsync_ray.engine import cluster_check
from lipsync_ray.engine.cluster_check import check_address
from lipsync_ray.errors import ClusterError


@pytest.fixture
def listener():
    """Accepts connections and never says a word."""
    server = socket.create_server(("127.0.0.1", 0))
    yield server.getsockname()[1]
    server.close()


@pytest.fixture
def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_nobody_there(free_port):
    for address in (f"127.0.0.1:{free_port}", f"ray://127.0.0.1:{free_port}"):
        with pytest.raises(ClusterError, match=rf"--address {address}: no Ray cluster answers there"):
            check_address(address, "--address")


def test_a_name_that_is_no_host():
    with pytest.raises(ClusterError, match=r"\$RAY_ADDRESS no\.such\.host\.invalid:6379: no Ray cluster answers"):
        check_address("no.such.host.invalid:6379", "$RAY_ADDRESS")


def test_somebody_else_there(listener, monkeypatch):
    monkeypatch.setattr(cluster_check, "ANSWER_S", 1.0)
    began = time.monotonic()
    with pytest.raises(ClusterError, match="not a healthy Ray cluster"):
        check_address(f"127.0.0.1:{listener}", "--address")
    assert time.monotonic() - began < 60  # the promise to the user


@pytest.mark.parametrize("address", ["http://127.0.0.1:8265", "127.0.0.1", "127.0.0.1:port", ":6379", "s3://a/b"])
def test_what_is_no_address(address):
    with pytest.raises(ClusterError, match="expected host:port"):
        check_address(address, "--address")


@pytest.mark.slow
def test_a_cluster_that_is_there(cluster):
    import ray

    check_address(ray.get_runtime_context().gcs_address, "--address")
