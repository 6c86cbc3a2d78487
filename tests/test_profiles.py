import numpy as np
import pytest
from clips import write_audio, write_video

from lipsync_ray import profiles
from lipsync_ray.compute import whole_cpus
from lipsync_ray.engine.resources import allocate
from lipsync_ray.engine.runners import Cluster
from lipsync_ray.errors import SettingsError
from lipsync_ray.profiles import PROFILES, workers_of
from lipsync_ray.settings import Workers


def test_none_is_the_defaults():
    assert workers_of(None) == Workers()


def test_a_laptop_keeps_a_cpu_and_asks_no_cluster():
    workers = workers_of("laptop")
    assert workers.actors == max(1, whole_cpus() - 1)
    assert workers.address == "local"
    assert workers_of("laptop", engine="inline").address is None


def test_a_gpu_is_shared_by_two_whose_networks_fill_it():
    layout = allocate(Cluster(32, 4, 1), workers_of("gpu"), alone=False, networks=4)
    assert layout.model.workers == 8
    assert 8 * 4 * layout.model.gpus == 4


def test_spot_places_networks_and_cuts_short_rows():
    workers = workers_of("spot")
    assert (workers.segment_s, workers.attempts, workers.placement) == (2.0, 10, "spot")
    with_gpus = allocate(Cluster(32, 4, 1), workers, alone=False)
    assert [pool.stage("s", object).spot for pool in (with_gpus.model, with_gpus.read, with_gpus.write)] == [
        True,
        False,
        False,
    ]
    without = allocate(Cluster(32, 0, 1), workers, alone=False)
    assert all(pool.stage("s", object).spot for pool in (without.model, without.read, without.write))
    assert not allocate(Cluster(32, 4, 1), Workers(), alone=False).model.stage("s", object).spot


@pytest.mark.parametrize("profile", PROFILES)
def test_what_is_said_counts_for_more(profile):
    workers = workers_of(profile, actors=3, gpus_per_actor=0, batch=5, segment_s=7, attempts=2, address="h:1")
    said = (workers.actors, workers.gpus_per_actor, workers.batch, workers.segment_s, workers.attempts, workers.address)
    assert said == (3, 0, 5, 7, 2, "h:1")


def test_another_word_is_refused():
    with pytest.raises(SettingsError, match="--profile big: expected one of laptop, gpu, spot"):
        workers_of("big")


@pytest.mark.parametrize(
    ("cpus", "seconds", "expected"),
    [(4, 3600, "inline"), (16, 1, "inline"), (16, 600, "ray"), (8, 20, "inline"), (64, 600, "ray")],
)
def test_one_pair_is_made_in_this_process_unless_it_is_long_and_there_are_many_cpus(
    cpus, seconds, expected, monkeypatch, tmp_path
):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(profiles, "whole_cpus", lambda: cpus)
    video = write_video(tmp_path / "v.mp4", [np.zeros((720, 1280, 3), np.uint8)] * 2)
    sound = write_audio(tmp_path / "a.wav", np.zeros(seconds * 100, np.float32), 100)
    assert profiles.auto_engine(None, (str(video), str(sound))) == expected
    assert profiles.auto_engine("auto", (str(video), str(sound))) == "ray"
    assert profiles.auto_engine(None) == "ray"


def test_a_pair_that_cannot_be_read_is_told_of_by_the_run(monkeypatch, tmp_path):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(profiles, "whole_cpus", lambda: 64)
    (tmp_path / "v.mp4").write_text("no video")
    assert profiles.auto_engine(None, (str(tmp_path / "v.mp4"), str(tmp_path / "none.wav"))) == "inline"
