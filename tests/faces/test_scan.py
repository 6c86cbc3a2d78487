from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lipsync_ray.faces.detect import NO_FACES, Faces
from lipsync_ray.faces.identity import SIZE
from lipsync_ray.faces.scan import Scan, iou, may_interpolate, needed, ranges_of, scan, step_of

RATE = Fraction(25)


def face(x, y, side=40.0, score=0.99):
    points = np.array(
        [[x + side * a, y + side * b] for a, b in ((0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8))]
    )
    return Faces(
        np.array([[x, y, x + side, y + side]], np.float32),
        points[None].astype(np.float32),
        np.array([score], np.float32),
    )


def describe(picture, landmarks):
    """Numbers that depend on the picture and the face, as a network's do."""
    seed = int(picture[0, 0, 0]) + 256 * int(picture[0, 1, 0]) + int(100 * np.sum(landmarks))
    return np.random.default_rng(seed).normal(0, 0.1, (len(landmarks), SIZE)).astype(np.float32)


class Film:
    """Frames that carry their number, and a detector that reads it: what is seen is a function of the frame alone."""

    def __init__(self, total, faces, scenes=()):
        self.total, self.faces, self.scenes, self.looked = total, faces, scenes, []

    def frame(self, number):
        rng = np.random.default_rng(sum(number >= cut for cut in self.scenes))
        picture = rng.integers(0, 255, (36, 64, 3), np.uint8)
        picture[0, 0, 0], picture[0, 1, 0] = number % 256, number // 256
        return picture

    def detect(self, picture, near=None):
        number = int(picture[0, 0, 0]) + 256 * int(picture[0, 1, 0])
        self.looked.append(number)
        return self.faces(number)

    def scan(self, seconds):
        self.looked = []
        out = []
        for start, stop in ranges_of(self.total, RATE, seconds):
            frames = map(self.frame, range(*needed(start, stop, self.total, RATE)))
            out.append(scan(frames, start, stop, self.total, RATE, self.detect, describe))
        return Scan.joined(out)


def test_a_steady_face_is_looked_at_five_times_a_second():
    film = Film(101, lambda n: face(10 + n * 0.2, 20))
    found = film.scan(100)
    assert found.looked.tolist() == list(range(0, 101, 5))
    assert len(film.looked) == 21


def test_between_differing_ends_every_frame_is_looked_at():
    found = Film(61, lambda n: face(10, 20) if n < 33 else NO_FACES).scan(100)
    assert set(range(30, 36)) <= set(found.looked.tolist())
    assert found.frame.max() == 32


def test_a_cut_is_seen_and_not_interpolated_over():
    found = Film(61, lambda n: face(10, 20), scenes=(23,)).scan(100)
    assert found.cuts.tolist() == [23]
    assert set(range(20, 26)) <= set(found.looked.tolist())


@settings(max_examples=15)
@given(st.integers(1, 300), st.integers(0, 10**6), st.sampled_from([0.1, 1.6, 3.2, 7.0]))
def test_stretches_do_not_change_it(total, seed, seconds):
    rng = np.random.default_rng(seed)
    there = np.repeat(rng.random(total // 7 + 1) > 0.3, 7)
    path = 100 + np.cumsum(rng.normal(0, 3, total + 1))
    film = Film(
        total,
        lambda n: face(path[n], 20) if there[n] else NO_FACES,
        scenes=sorted(rng.integers(1, total + 1, 2).tolist()),
    )
    whole = film.scan(1e9)
    assert film.scan(seconds).to_bytes() == whole.to_bytes()
    assert Scan.from_bytes(whole.to_bytes()).to_bytes() == whole.to_bytes()


def test_a_missing_stretch_is_refused():
    film = Film(100, lambda n: NO_FACES)
    one = film.scan(100)
    with pytest.raises(ValueError, match="not adjacent"):
        Scan.joined([one, one])


def test_what_may_be_interpolated():
    both = Faces(
        *(
            np.concatenate(pair)
            for pair in zip(*((f.box, f.landmarks, f.score) for f in (face(0, 0), face(100, 0))), strict=True)
        )
    )
    assert may_interpolate(NO_FACES, NO_FACES)
    assert may_interpolate(face(0, 0), face(3, 1))
    assert may_interpolate(both, both)
    assert not may_interpolate(face(0, 0), NO_FACES)
    assert not may_interpolate(face(0, 0), both)
    assert not may_interpolate(face(0, 0), face(15, 0))  # too far
    assert not may_interpolate(face(0, 0), face(80, 0))  # another place


def test_overlaps():
    a = np.array([[0, 0, 2, 2], [5, 5, 6, 6]], np.float32)
    b = np.array([[1, 0, 3, 2]], np.float32)
    assert iou(a, b)[:, 0].tolist() == pytest.approx([1 / 3, 0])


@pytest.mark.parametrize(
    ("rate", "step"), [(Fraction(25), 5), (Fraction(30000, 1001), 6), (Fraction(2), 1), (Fraction(60), 12)]
)
def test_steps(rate, step):
    assert step_of(rate) == step


def pair(*faces):
    return Faces(
        *(np.concatenate(parts) for parts in zip(*((f.box, f.landmarks, f.score) for f in faces), strict=True))
    )


class Whole(Film):
    """A film whose detector sees around known boxes only what lies there, and tells the two ways apart."""

    def detect(self, picture, near=None):
        faces = super().detect(picture)
        self.ways.append((self.looked[-1], near is None))
        if near is None:
            return faces
        seen = (iou(faces.box, near) > 0.1).any(1) if len(faces) and len(near) else np.zeros(len(faces), bool)
        return Faces(faces.box[seen], faces.landmarks[seen], faces.score[seen])

    def scan(self, seconds):
        self.ways = []
        return super().scan(seconds)


def test_the_whole_frame_is_looked_at_once_a_second():
    film = Whole(101, lambda n: face(10 + n * 0.2, 20))
    found = film.scan(100)
    assert [n for n, whole in film.ways if whole] == [0, 25, 50, 75, 100]
    assert len(film.ways) == 21
    assert len(found.frame) == 21


def test_who_comes_within_a_second_is_seen_from_the_first_frame_on():
    other = face(60, 20)
    film = Whole(76, lambda n: face(10, 20) if n < 33 else pair(face(10, 20), other))
    found = film.scan(100)
    rows = found.frame[np.abs(found.box[:, 0] - 60) < 1]
    assert rows.min() == 33
    assert set(range(31, 35)) <= set(found.looked.tolist())


def test_who_leaps_within_a_second_is_found_again():
    film = Whole(51, lambda n: face(10 if n < 33 else 200, 20))
    found = film.scan(100)
    assert {n for n in range(51) if n in found.frame} >= {32, 33, 34}
    assert (found.box[found.frame == 33][:, 0] == 200).all()


def test_nobody_is_looked_for_inside_a_second_that_is_empty_at_both_ends():
    film = Whole(101, lambda n: NO_FACES)
    assert film.scan(100).looked.tolist() == [0, 25, 50, 75, 100]
