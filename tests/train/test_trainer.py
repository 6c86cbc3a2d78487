"""The loop: it learns, goes on after a kill as if there had been none, and ends in time."""

import signal
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from lipsync_ray.engine.team import Team
from lipsync_ray.io import storage
from lipsync_ray.jobs.train import experts, generator_task
from lipsync_ray.jobs.train import trainer as trainers
from lipsync_ray.jobs.train.audio_tasks import Openings, Poses, correlation
from lipsync_ray.jobs.train.closure_task import Closures, closed_frames
from lipsync_ray.jobs.train.curve import NO_CONTROL
from lipsync_ray.jobs.train.experts import Expert, Judge
from lipsync_ray.jobs.train.generator_task import GeneratorTask
from lipsync_ray.jobs.train.painter_task import InnerMouths
from lipsync_ray.jobs.train.trainer import Trainer
from lipsync_ray.models.checkpoint import load_into, read_entries, read_state
from lipsync_ray.models.closures import WINDOW
from lipsync_ray.models.generators import LipModel, verify
from lipsync_ray.models.judge import OpeningNet
from lipsync_ray.models.lip_poses import POSES, load_ensemble
from lipsync_ray.models.mini import Mini
from lipsync_ray.models.mini_sync import MiniSync
from lipsync_ray.models.sync_judge import SyncJudge
from lipsync_ray.models.weights import by_name


def draws(corpus_of, init=None, adversarial=0.0, width=0.25):
    return GeneratorTask(corpus_of("faces"), init, width, by_name("mini-sync").here(), adversarial)


def test_it_learns_to_hear(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(trainers, "TEST_EVERY", 60)
    curve = list(Trainer(Openings(corpus), 1, 120, str(tmp_path / "c.pt"), "cpu").run())
    last = curve[-1].figures
    assert last["r"] > last["r_other"] + 0.2
    assert last["right_first"] > 0.5
    assert curve[-1].loss < curve[0].loss


@pytest.mark.nightly
@pytest.mark.slow
def test_the_judge_learns_what_goes_together(corpus_of, tmp_path, monkeypatch):
    monkeypatch.setattr(trainers, "TEST_EVERY", 50)
    task = Judge(corpus_of("mouths"))
    task.warm_up, task.clips = 10, 10
    curve = list(Trainer(task, 0, 50, str(tmp_path / "c.pt"), "cpu").run())
    assert curve[-1].figures["right_first"] > 0.75
    assert curve[-1].figures["cosine"] > curve[-1].figures["cosine_other"] + 0.1


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("kind", "steps", "every"), [("opening", 15, 5), ("draw", 4, 1), ("expert", 4, 1), ("judge", 4, 1)]
)
def test_killed_and_started_again_it_follows_the_same_curve(kind, steps, every, corpus_of, tmp_path, monkeypatch):
    monkeypatch.setattr(trainers, "TEST_EVERY", every)

    def started(name):
        return trainer_of(kind, corpus_of, str(tmp_path / name), steps)

    whole = list(started("whole.pt").run())
    first = started("parts.pt").run()
    next(first), next(first)
    del first  # as after a kill: what is left is the checkpoint
    again = started("parts.pt")
    assert again.step == 2 * every
    list(again.run())
    for a, b in zip(whole, again.curve, strict=True):
        assert (a.step, a.loss, a.figures) == (b.step, b.loss, b.figures)


def test_time_ends_a_lesson_after_a_step_at_least(corpus, tmp_path):
    url = str(tmp_path / "c.pt")
    told = []
    trainer = Trainer(Openings(corpus), 0, 1000, url, "cpu")
    assert not trainer.over(minutes=1e-9)
    (line,) = trainer.run(1e-9, told.append)
    assert line.step == trainer.step == 1
    assert [reached.step for reached in told] == [0, 1, 1]
    assert told[-1].kept == 1
    # The clock goes on where it was: the same time is up, a longer one is not.
    again = Trainer(Openings(corpus), 0, 1000, url, "cpu")
    assert again.over(minutes=1e-9)
    assert list(again.run(1e-9)) == []
    assert (again.step, len(again.curve)) == (1, 1)
    assert not again.over(minutes=60)


def trainer_of(kind, corpus_of, url, steps, clips=8):
    task = {
        "opening": lambda: Openings(corpus_of()),
        "pose": lambda: Poses(corpus_of()),
        "closure": lambda: Closures(corpus_of(), by_name("warp").here()),
        "painter": lambda: InnerMouths(corpus_of("insides"), by_name("warp").here()),
        "draw": lambda: draws(corpus_of, adversarial=0.1),
        "expert": lambda: Expert(corpus_of("faces")),
        "judge": lambda: Judge(corpus_of("mouths")),
    }[kind]()
    task.clips = min(task.clips, clips)
    return Trainer(task, 1, steps, url, "cpu")


def interrupted(function, call):
    """The function, in whose call of that number Ctrl-C comes."""
    calls = []

    def wrapped(*arguments):
        calls.append(arguments)
        if len(calls) == call:
            signal.raise_signal(signal.SIGINT)
        return function(*arguments)

    return wrapped


@pytest.mark.parametrize("kind", ["opening", "pose", "closure", "painter", "draw", "expert", "judge"])
@pytest.mark.parametrize("during", ["a step", "a measurement"])
def test_stopped_it_keeps_every_step_and_follows_the_same_curve(kind, during, corpus_of, tmp_path, monkeypatch):
    monkeypatch.setattr(trainers, "TEST_EVERY", 2)
    for module in (generator_task, experts):
        monkeypatch.setattr(module, "_TESTED", 2)
    started = partial(trainer_of, kind, corpus_of, steps=3, clips=2)
    whole = list(started(url=str(tmp_path / "whole.pt")).run())
    first, told = started(url=str(tmp_path / "parts.pt")), []
    if during == "a step":
        monkeypatch.setattr(first, "train_step", interrupted(first.train_step, 1))
    else:
        monkeypatch.setattr(first._task, "figures", interrupted(first._task.figures, 1))
    with pytest.raises(KeyboardInterrupt):
        list(first.run(on_progress=told.append))
    again = started(url=str(tmp_path / "parts.pt"))
    assert again.step == told[-1].kept == (1 if during == "a step" else 2)
    list(again.run())
    for a, b in zip(whole, again.curve, strict=True):
        assert (a.step, a.loss, a.figures) == (b.step, b.loss, b.figures)


def test_a_driver_that_stops_is_obeyed_after_the_step_in_work(corpus, tmp_path):
    asked = iter([False, False, True])
    trainer = Trainer(Openings(corpus), 0, 1000, str(tmp_path / "c.pt"), "cpu", team=Team(stopping=lambda: next(asked)))
    assert list(trainer.run()) == []
    assert Trainer(Openings(corpus), 0, 1000, str(tmp_path / "c.pt"), "cpu").step == 2


@pytest.mark.parametrize("kind", ["opening", "pose", "closure", "painter", "draw", "expert", "judge"])
def test_one_clip_held_out_has_no_control(kind, corpus_of, tmp_path):
    trainer = trainer_of(kind, corpus_of, str(tmp_path / "c.pt"), 1, clips=2)
    alone = np.zeros(len(trainer._task.corpus.person), bool)
    alone[0] = True
    trainer._task.corpus = replace(trainer._task.corpus, held_out=alone)
    (line,) = trainer.run()
    trainer._task.finish([trainer.average])
    without = {name for name, value in line.figures.items() if value is None}
    wanted = {
        "opening": {"r_other", "right_first"},
        "pose": {"r_other", "right_first"},
        "closure": {"auc_other"},
        "draw": {"mouth_l1_other"},
    }
    assert without == wanted.get(kind, set())
    assert trainer._task.control == bool(without)
    assert (NO_CONTROL in trainer._task.measured.values()) == bool(without)


def test_checkpoints_lie_anywhere(corpus, monkeypatch):
    monkeypatch.setattr(trainers, "TEST_EVERY", 1)
    url = "memory://training/c.pt"
    assert [line.step for line in Trainer(Openings(corpus), 0, 2, url, "cpu").run()] == [1, 2]
    assert storage.exists(url)
    assert Trainer(Openings(corpus), 0, 3, url, "cpu").step == 2


def test_correlation_looks_at_what_is_there():
    a, b = torch.randn(3, 20, 2), torch.randn(3, 20, 2)
    mask = torch.ones(3, 20, 1)
    mask[1, 12:] = 0
    found = correlation(a, b, mask)
    assert float(found[1, 1]) == pytest.approx(np.corrcoef(a[1, :12, 1], b[1, :12, 1])[0, 1], abs=1e-4)


def test_poses_become_a_model_that_loads(corpus, tmp_path):
    task = Poses(corpus)
    made = [Trainer(task, seed, 2, str(tmp_path / f"{seed}.pt"), "cpu") for seed in (0, 1, 2)]
    for trainer in made:
        list(trainer.run())
    task.finish([trainer.average for trainer in made])
    path = tmp_path / "model.safetensors"
    path.write_bytes(task.to_bytes())
    ensemble = load_ensemble(path)
    assert len(ensemble.networks) == 3
    assert (ensemble.gain >= 1).all()
    steps = ensemble.basis().read(ensemble.basis().steps(np.eye(POSES)[:1]))
    np.testing.assert_allclose(steps, np.eye(POSES)[:1], atol=2e-3)
    assert "people held out" in task.card(30, 6, 5, {"kind": "pose"}, "2 steps")


def test_closures_are_added_to_poses(corpus, tmp_path):
    init = by_name("warp").here()
    task = Closures(corpus, init)
    made = [Trainer(task, seed, 2, str(tmp_path / f"{seed}.pt"), "cpu") for seed in (0, 1)]
    for trainer in made:
        list(trainer.run())
    task.finish([trainer.average for trainer in made])
    path = tmp_path / "model.safetensors"
    path.write_bytes(task.to_bytes())
    before, after = load_ensemble(init), load_ensemble(path)
    assert len(after.closures) == 2
    mels = torch.randn(3, 80, 40)
    torch.testing.assert_close(before(mels), after(mels), rtol=0, atol=0)
    torch.testing.assert_close(before.directions, after.directions, rtol=0, atol=0)


def test_lips_are_closed_relative_to_how_a_person_rests(corpus):
    closed = closed_frames(corpus)
    for person in np.unique(corpus.person):
        rows = np.concatenate([np.arange(len(closed))[corpus.rows(c)] for c in np.flatnonzero(corpus.person == person)])
        gaps, own = corpus.openings[rows], closed[rows] > 0
        if own.any():
            assert gaps[own].max() < 0.04
            assert gaps[own].max() <= gaps[~own].min()


def test_a_stretch_has_a_column_for_every_frame(corpus):
    task = Closures(corpus, by_name("warp").here())
    batch = task.batch(corpus.clips(held_out=False)[:8], np.random.default_rng(0))
    assert (batch.mask == 1).all()
    assert batch.at[:, 0].tolist() == [0] * 8
    assert (batch.at.diff() > 0).all()
    assert batch.mel.shape[-1] == int(batch.at.max()) + WINDOW


@pytest.mark.parametrize(
    ("make", "pictures", "network"),
    [(Openings, None, OpeningNet), (Expert, "faces", MiniSync), (Judge, "mouths", SyncJudge)],
)
def test_judges_and_experts_become_weights_that_load(make, pictures, network, corpus_of, tmp_path):
    task = make(corpus_of(pictures))
    task.clips = 4
    trainer = Trainer(task, 0, 2, str(tmp_path / "c.pt"), "cpu")
    list(trainer.run())
    task.finish([trainer.average])
    path = tmp_path / "model.safetensors"
    path.write_bytes(task.to_bytes())
    load_into(network(), read_state(path), str(path))
    assert task.measured


@pytest.mark.parametrize("width", [0.25, 0.375])
def test_a_generator_becomes_a_model_that_draws(width, corpus_of, tmp_path):
    task = draws(corpus_of, width=width)
    task.clips = 2
    trainer = Trainer(task, 0, 2, str(tmp_path / "c.pt"), "cpu")
    list(trainer.run())
    task.finish([trainer.average])
    path = tmp_path / "model.safetensors"
    path.write_bytes(task.to_bytes())
    assert verify(path).name == "mini"
    crops = np.full((2, 96, 96, 3), 128, np.uint8)
    assert LipModel(path, "cpu", "fp32")(crops, np.zeros((2, 80, 16), np.float32)).shape == crops.shape


@pytest.mark.nightly
def test_a_generator_learns_to_draw_what_it_is_shown(corpus_of, tmp_path, monkeypatch):
    monkeypatch.setattr(trainers, "TEST_EVERY", 10)
    monkeypatch.setattr(generator_task, "_ALONE", 1.0)  # the pictures' part of the loss
    task = draws(corpus_of)
    task.warm_up, task.clips = 5, 4
    curve = list(Trainer(task, 0, 30, str(tmp_path / "c.pt"), "cpu").run())
    assert curve[-1].loss < 0.8 * curve[0].loss


def test_training_goes_on_from_weights(corpus_of, tmp_path):
    path = by_name("mini").here()
    task = draws(corpus_of, init=path)
    trainer = Trainer(task, 0, 1, str(tmp_path / "c.pt"), "cpu")
    fresh = Mini()
    load_into(fresh, read_state(path), str(path))
    for name, tensor in fresh.state_dict().items():
        assert torch.equal(tensor, trainer.network.state_dict()[f"generator.{name}"]), name
    assert task.rate < draws(corpus_of).rate


def test_a_painter_is_added_to_poses_that_stay_as_they_are(corpus_of, tmp_path):
    warp = by_name("warp").here()
    task = InnerMouths(corpus_of("insides"), warp)
    trainer = Trainer(task, 0, 2, str(tmp_path / "c.pt"), "cpu")
    list(trainer.run())
    task.finish([trainer.average])
    path = tmp_path / "model.safetensors"
    path.write_bytes(task.to_bytes())
    made, before = (read_entries(file) for file in (path, warp))
    assert made.keys() == before.keys()
    for name, entry in before.items():
        assert made[name].dtype == entry.dtype
        assert torch.equal(made[name], entry) == (not name.startswith("painter.")), name
    assert load_ensemble(path).painter.painter().dials(np.zeros(5), 110.0)
