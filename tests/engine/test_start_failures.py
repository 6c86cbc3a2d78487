"""Why Ray does not start, where that is known; and the homes that it finds."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import ray
from ray._private.utils import check_version_info, validate_socket_filepath

from lipsync_ray.engine import session
from lipsync_ray.engine.start_failures import known_cause
from lipsync_ray.errors import ClusterError
from lipsync_ray.home import home

OURS = ".".join(map(str, sys.version_info[:3]))


def raised(call, *arguments):
    with pytest.raises(Exception) as caught:  # noqa: PT011  Ray's own
        call(*arguments)
    return caught.value


def mismatch(ray_version, python_version):
    """What Ray itself says of a cluster of these versions."""
    return raised(check_version_info, {"ray_version": ray_version, "python_version": python_version}, "node 10.0.0.2")


@pytest.mark.parametrize(
    ("theirs", "patch"),
    [((ray.__version__, "3.8.1"), False), (("2.9.0", OURS), False), ((ray.__version__, f"{OURS}9"), True)],
)
def test_versions_are_told_with_their_numbers(theirs, patch):
    text = known_cause(mismatch(*theirs), "10.0.0.1:6379")
    assert f"10.0.0.1:6379 runs Ray {theirs[0]} and Python {theirs[1]}" in text
    assert f"this process Ray {ray.__version__} and Python {OURS}" in text
    assert ("MATCH_LEVEL" in text) is patch
    assert "\n" not in text


def test_versions_in_words_of_another_ray():
    text = known_cause(RuntimeError("Version mismatch: 2.9\nand 2.10"), "ray://head:10001")
    assert "ray://head:10001" in text
    assert "2.9 and 2.10" in text


def test_a_path_that_is_too_long_for_a_socket_is_named():
    path = "/" + "long/" * 30 + "sockets/plasma_store"
    text = known_cause(raised(validate_socket_filepath, path), None)
    assert path in text
    assert "RAY_TMPDIR" in text


def test_what_may_pass_is_not_known():
    assert known_cause(TimeoutError("node timed out"), None) is None
    assert known_cause(ConnectionError("refused"), "10.0.0.1:6379") is None


def test_it_is_told_at_once_and_not_tried_again(monkeypatch):
    starts = []

    def start(**options):
        starts.append(options["address"])
        raise mismatch("2.9.0", OURS)

    monkeypatch.setattr(ray, "init", start)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    monkeypatch.setattr(session.time, "sleep", lambda seconds: pytest.fail("it waited"))
    with pytest.raises(ClusterError, match=r"runs Ray 2\.9\.0") as caught:
        session._open("10.0.0.1:6379", None)
    assert starts == ["10.0.0.1:6379"]
    assert "busy" not in str(caught.value)


def test_what_may_pass_is_tried_again(monkeypatch):
    starts = []

    def start(**options):
        starts.append(options["address"])
        raise TimeoutError("node timed out")

    monkeypatch.setattr(ray, "init", start)
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    monkeypatch.setattr(session.time, "sleep", lambda seconds: None)
    with pytest.raises(ClusterError, match="busy"):
        session._open("10.0.0.1:6379", None)
    assert len(starts) == session.STARTS


def test_a_home_is_what_the_system_says(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert home() == tmp_path

    def unknown():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", unknown)
    assert home() == Path("/")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become a user that the system does not know")
def test_a_user_that_the_system_does_not_know_has_places_too():
    code = "import os\nfrom lipsync_ray.jobs.quote.rates import default_rates_url\nfrom lipsync_ray.models import weights\n"
    code += "os.setgid(54321); os.setuid(54321)\n"
    code += "print(default_rates_url(), weights.location(weights.find('wav2lip')))"
    known = {
        name: value for name, value in os.environ.items() if name not in ("HOME", weights_variable(), "XDG_CACHE_HOME")
    }
    done = subprocess.run([sys.executable, "-c", code], env=known, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert all(place.startswith("/") for place in done.stdout.split())


def weights_variable():
    from lipsync_ray.models import weights

    return weights.CACHE_VARIABLE
