"""Lessons and corpora, on clips that are made of numbers."""

from fractions import Fraction

import numpy as np
import pytest
import torch

from lipsync_ray.faces.mesh import SPEAKING
from lipsync_ray.io import storage
from lipsync_ray.jobs.train import lesson as lessons
from lipsync_ray.jobs.train.clips import Seen
from lipsync_ray.jobs.train.corpus import fit_basis, make_corpus
from lipsync_ray.jobs.train.lesson import Lesson, correlation
from lipsync_ray.jobs.train.product import JudgeProduct, PoseProduct
from lipsync_ray.models.hear import POSES, Hear, listener_of
from lipsync_ray.models.judge import Hearing

CLIPS, FRAMES = 30, 36
PEOPLE = 5


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """Clips in which the lower lip follows the loudness of the sound; people differ by their likeness."""
    folder = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(0)
    faces = rng.integers(0, 255, (PEOPLE, 32, 32, 3))
    lower = [SPEAKING.index(number) for number in (14, 17, 87, 317)]
    urls = []
    for clip in range(CLIPS):
        rate = Fraction(25) if clip % 2 else Fraction(30000, 1001)
        columns = int(FRAMES * 80 / rate)
        loud = np.convolve(rng.normal(0, 1, columns + 15), np.hanning(16) / 4, "valid")
        mel = np.clip(-1.5 + loud[:, None] + rng.normal(0, 0.1, (columns, 80)), -4, 4).astype(np.float32)
        lips = np.tile(rng.normal(0, 0.2, (1, len(SPEAKING), 2)), (FRAMES, 1, 1))
        lips[:, lower, 1] += 0.05 * loud[np.minimum((np.arange(FRAMES) * 80 / rate).astype(int), columns - 1), None]
        lips[5] = np.nan if clip == 3 else lips[5]
        likeness = np.clip(faces[clip % PEOPLE] + rng.normal(0, 20, (32, 32, 3)), 0, 255).astype(np.uint8)
        url = str(folder / f"{clip}.npz")
        storage.commit_bytes(url, Seen(lips.astype(np.float32), mel, likeness, rate).to_bytes())
        urls.append(url)
    return urls


@pytest.fixture(scope="module")
def corpus(seen, tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("corpus"), seen, [None] * CLIPS, 0.2, 0)


def test_people_are_told_apart_and_held_out_whole(corpus):
    assert len(np.unique(corpus.person)) == PEOPLE
    assert all(corpus.person[clip] == corpus.person[clip % PEOPLE] for clip in range(CLIPS))
    inside, outside = (set(corpus.person[corpus.clips(side)]) for side in (False, True))
    assert inside.isdisjoint(outside)
    assert 0.1 <= corpus.held_out.mean() <= 0.3


def test_names_count_more_than_likenesses(seen, tmp_path):
    names = ["a"] * 10 + ["b"] * 10 + [None] * 10
    made = make_corpus(tmp_path, seen, names, 0.2, 0)
    assert len(set(made.person[:10])) == 1
    assert set(made.person[:10]).isdisjoint(made.person[10:20])
    assert set(made.person[:20]).isdisjoint(made.person[20:])


def test_the_basis_reads_what_moves(corpus):
    directions, readers = fit_basis(corpus, POSES)
    poses = np.einsum("nsc,ksc->nk", corpus.lips, readers)
    drawn = np.einsum("nk,ksc->nsc", poses, directions)
    moving = corpus.clips(held_out=True)[0]
    rows = slice(corpus.first[moving], corpus.first[moving] + corpus.frames[moving])
    np.testing.assert_allclose(drawn[rows], corpus.lips[rows], atol=1e-3)


def started(corpus, path, steps, seed=1):
    torch.set_num_threads(1)
    targets = corpus.gaps
    return Lesson(corpus, targets, Hearing, corpus.clips(held_out=False), seed, steps, path, "cpu")


def test_it_learns_to_hear(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(lessons, "TEST_EVERY", 60)
    lesson = started(corpus, tmp_path / "c.pt", 120)
    curve = list(lesson.run())
    assert curve[-1].r > curve[-1].r_other + 0.2
    assert curve[-1].right_first > 0.5
    assert curve[-1].loss < curve[0].loss


def test_killed_and_started_again_it_follows_the_same_curve(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(lessons, "TEST_EVERY", 5)
    whole = list(started(corpus, tmp_path / "whole.pt", 15).run())
    first = started(corpus, tmp_path / "parts.pt", 15).run()
    next(first), next(first)
    del first  # as after a kill: what is left is the checkpoint
    again = started(corpus, tmp_path / "parts.pt", 15)
    assert again.step == 10
    list(again.run())
    for a, b in zip(whole, again.curve, strict=True):
        assert (a.step, a.loss, a.r, a.r_other) == (b.step, b.loss, b.r, b.r_other)


def test_time_ends_a_lesson(corpus, tmp_path):
    lesson = started(corpus, tmp_path / "c.pt", 1000)
    assert list(lesson.run(until=0.0)) == []
    assert lesson.step == 0


def test_correlation_looks_at_what_is_there():
    a, b = torch.randn(3, 20, 2), torch.randn(3, 20, 2)
    mask = torch.ones(3, 20, 1)
    mask[1, 12:] = 0
    found = correlation(a, b, mask)
    assert float(found[1, 1]) == pytest.approx(np.corrcoef(a[1, :12, 1], b[1, :12, 1])[0, 1], abs=1e-4)


def test_a_product_is_a_checkpoint_that_loads(corpus, tmp_path):
    pose = PoseProduct(corpus)
    clips = corpus.clips(held_out=False)
    made = [Lesson(corpus, pose.targets, Hear, clips, seed, 2, tmp_path / f"{seed}.pt", "cpu") for seed in (0, 1, 2)]
    for lesson in made:
        list(lesson.run())
    pose.finish(made)
    path = tmp_path / "model.safetensors"
    path.write_bytes(pose.to_bytes())
    listener = listener_of(path)
    assert len(listener.networks) == 3
    assert (listener.gain >= 1).all()
    steps = listener.basis().read(listener.basis().steps(np.eye(POSES)[:1]))
    np.testing.assert_allclose(steps, np.eye(POSES)[:1], atol=2e-3)
    assert "people held out" in pose.card(30, 6, 5, {"kind": "pose"})
    judge = JudgeProduct(corpus)
    lesson = Lesson(corpus, judge.targets, Hearing, clips, 0, 2, tmp_path / "judge.pt", "cpu")
    list(lesson.run())
    judge.finish([lesson])
    Hearing().load_state_dict({name: tensor.float() for name, tensor in judge.state().items()})
