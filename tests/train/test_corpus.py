"""Corpora: who is who, who is held out, what moves."""

import numpy as np
import pytest

from lipsync_ray.io import storage
from lipsync_ray.jobs.train.clip_features import ClipFeatures, fill_gaps
from lipsync_ray.jobs.train.corpus import (
    _held_out,
    fit_basis,
    is_corpus,
    make_corpus,
    numbered,
    open_corpus,
    why_no_split,
)
from lipsync_ray.models.lip_poses import POSES

CLIPS, PEOPLE = 30, 5


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
    rows = corpus.rows(int(corpus.clips(held_out=True)[0]))
    np.testing.assert_allclose(drawn[rows], corpus.lips[rows], atol=1e-3)


@pytest.mark.parametrize("pictures", ["faces", "mouths"])
def test_pictures_are_those_of_their_clips(seen, corpus_of, pictures):
    made = corpus_of(pictures)
    rows = made.face_rows if pictures == "faces" else made.mouth_rows
    for clip in (0, 7, CLIPS - 1):
        kept = getattr(ClipFeatures.from_bytes(storage.read_bytes(seen[clip]), pictures), pictures)
        assert np.array_equal(rows(clip), kept)


def test_a_corpus_that_was_made_is_opened(seen, tmp_path):
    assert not is_corpus(tmp_path / "c")
    made = make_corpus(tmp_path / "c", seen, [None] * CLIPS, 0.2, 0, "mouths")
    assert is_corpus(tmp_path / "c")
    again = open_corpus(tmp_path / "c", "mouths")
    for name in ("lips", "gaps", "mel", "first", "frames", "column", "columns", "rate", "person", "held_out", "mouths"):
        assert np.array_equal(getattr(made, name), getattr(again, name)), name
    assert again.faces is None


def test_holes_hold_what_was_before():
    assert fill_gaps(np.array([False, True, False, False, True])).tolist() == [1, 1, 1, 1, 4]


@pytest.mark.parametrize(
    ("people", "part", "named", "said"),
    [
        ("a" * 10, 0.1, True, "by the column person"),
        ("a" * 10, 0.1, False, "seem to show one person"),
        ("aabbccddee", 0.1, True, "--held-out 0.1: nobody can be held out. Of 10 clips of 5 people"),
        ("aabbccddee", 0.1, False, "expected --held-out 0.2,"),
        ("aaaabbbb", 0.3, True, "has 4; expected --held-out 0.5,"),
    ],
)
def test_why_nobody_is_held_out(people, part, named, said):
    assert said in why_no_split(numbered(list(people)), part, named)


@pytest.mark.parametrize("people", ["aabbccddee", "aaaabbbb", "aaaaaaaaaab", "aaabbbbbccccccc", "a" * 30 + "b" * 29])
def test_the_part_that_is_named_holds_somebody_out(people):
    person = numbered(list(people))
    for part in (0.01, 0.05, 0.1, 0.2, 0.3):
        why = why_no_split(person, part, True)
        for seed in range(5):
            assert _held_out(person, part, seed).any() == (why is None)
        if why:
            enough = float(why.split("expected --held-out ")[1].split(",")[0])
            assert enough <= 0.5
            assert _held_out(person, enough, 0).any()
