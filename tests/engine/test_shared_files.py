"""A node that does not see the run's folder, or an input."""

from dataclasses import dataclass

import pytest
import ray
from rich.console import Console

from lipsync_ray.engine import shared_files
from lipsync_ray.engine.inline_runner import InlineRunner
from lipsync_ray.engine.job import JobRun, JobSpec
from lipsync_ray.engine.shared_files import ask, check, refuse, samples, unseen
from lipsync_ray.engine.video_pass import VideoState
from lipsync_ray.errors import ClusterError
from lipsync_ray.io.results import RESULTS
from lipsync_ray.settings import Workers


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(shared_files, "_PAUSE_S", 0.0)


def test_one_file_of_each_folder_stands_for_it(tmp_path):
    for name in ("a/1", "a/2", "b/1"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    urls = [str(tmp_path / name) for name in ("a/1", "a/2", "b/1", "c/gone")]
    assert samples([*urls, "s3://bucket/v.mp4", "https://example.com/v.mp4"]) == [urls[0], urls[2]]


def test_what_is_not_there_is_unseen(tmp_path):
    (tmp_path / "here").touch()
    assert unseen([str(tmp_path / "here"), str(tmp_path / "gone")]) == [str(tmp_path / "gone")]


def test_the_node_and_the_path_are_named():
    refuse([("10.0.0.1", []), ("10.0.0.2", [])])
    with pytest.raises(ClusterError, match=r"node 10\.0\.0\.2 does not see /out/run\.json\. .* in a bucket") as caught:
        refuse([("10.0.0.1", []), ("10.0.0.2", ["/out/run.json"])])
    assert "\n" not in str(caught.value)
    with pytest.raises(ClusterError, match=r"/out/run\.json \(and 1 more\), nor do 1 other nodes"):
        refuse([("b", ["/out/run.json", "/in/v"]), ("c", ["/out/run.json"])])
    with pytest.raises(ClusterError, match=r"node a does not see /out/run\.json"):  # two nodes of one address
        refuse([("a", ["/out/run.json"]), ("a", [])])


@dataclass
class State(VideoState):
    id: str = "a"


class Run(JobRun):
    def row_of(self, video, status, **values):
        raise NotImplementedError


class Asked(InlineRunner):
    urls = None

    def open(self, urls=()):
        self.urls = list(urls)


def test_a_run_asks_for_its_folder_and_for_the_inputs_that_are_left(tmp_path):
    runner = Asked()
    run = Run(JobSpec("dub", RESULTS), ["a"], {}, Workers(), str(tmp_path / "out"), Console(quiet=True), runner)
    run.keep(lambda row: True)
    assert runner.urls is None
    run.active["a"] = State()
    run.keep(lambda row: True, lambda state: ("/in/v.mp4", None))
    assert runner.urls == [str(tmp_path / "out" / "run.json"), "/in/v.mp4"]


def test_a_cluster_of_one_node_is_not_asked(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(shared_files, "ask", lambda nodes, urls: pytest.fail("it was"))
    check([str(tmp_path / "gone")])


def test_a_node_answers(cluster, tmp_path):
    (tmp_path / "here").touch()
    (node,) = (node["NodeID"] for node in ray.nodes() if node["Alive"])
    gone = str(tmp_path / "gone")
    assert ask([node], [str(tmp_path / "here"), gone]) == {node: [gone]}


def test_a_node_that_is_gone_stops_nobody(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(shared_files, "_ANSWER_S", 5.0)
    assert ask(["0a" * 28], [str(tmp_path)]) == {}
