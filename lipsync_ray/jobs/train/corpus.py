"""A memory-mapped corpus of all clips, with their people and the held-out set."""

from __future__ import annotations

import contextlib
import hashlib
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lipsync_ray.faces.mesh import LIPS, SPEAKING, gap_of
from lipsync_ray.faces.patch import INSIDE, MOUTH
from lipsync_ray.io import storage
from lipsync_ray.jobs.train.clip_features import FACE, ClipFeatures, fill_gaps

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]

VERSION = 3  # raise when a corpus of the same clips has other content
Pictures = Literal["faces", "mouths", "insides"]
_INDEX = "index.npz"
_ALIKE = 0.35  # largest mean distance (1 − correlation) of likenesses of one person
_MORE = 1.5  # largest held-out part, relative to the requested one
_WEIGHTS = (1.0, 0.5)  # of the lips' and of the chin's landmarks in the basis


@dataclass(frozen=True)
class Corpus:
    """Concatenated clips.

    Attributes
    ----------
    lips : (frames, len(SPEAKING), 2) float32 displacements from each clip's median, in eye distances; memory-mapped
    gaps : (frames, 2) float32 opening and width of the lips, likewise
    openings : (frames,) float32 opening of the lips itself
    usual : (n, len(SPEAKING), 2) float32 median of each clip's landmarks, in the head's own frame
    tones : (frames, 4) float32 of :class:`~lipsync_ray.faces.mouth_painter.Tone`
    mel : (columns, 80) float32, memory-mapped
    faces : (frames, 112, 112, 3) uint8, likewise; None if not requested
    mouths : (frames, 64, 64) uint8, likewise
    insides : (frames, 40, 40, 3) uint8, likewise
    first, frames : (n,) of each clip in `lips`
    column, columns : (n,) of each clip in `mel`
    rate : (n,) frames/s
    person : (n,) number
    held_out : (n,) bool
    """

    lips: F32
    gaps: F32
    openings: F32
    usual: F32
    tones: F32
    mel: F32
    first: I64
    frames: I64
    column: I64
    columns: I64
    rate: NDArray[np.float64]
    person: I64
    held_out: NDArray[np.bool_]
    faces: NDArray[np.uint8] | None = None
    mouths: NDArray[np.uint8] | None = None
    insides: NDArray[np.uint8] | None = None

    def rows(self, clip: int) -> slice:
        """A clip's frames."""
        first = int(self.first[clip])
        return slice(first, first + int(self.frames[clip]))

    def face_rows(self, clip: int) -> NDArray[np.uint8]:
        """A clip's faces."""
        assert self.faces is not None
        return self.faces[self.rows(clip)]

    def mouth_rows(self, clip: int) -> NDArray[np.uint8]:
        """A clip's mouths."""
        assert self.mouths is not None
        return self.mouths[self.rows(clip)]

    def content(self, clip: int) -> str:
        """Hash of a clip's sound and landmarks; equal only for copies."""
        first = int(self.column[clip])
        columns_of_mel = self.mel[first : first + int(self.columns[clip])]
        return hashlib.sha256(columns_of_mel.tobytes() + self.lips[self.rows(clip)].tobytes()).hexdigest()

    def clips(self, held_out: bool) -> I64:
        """Numbers of the held-out clips, or of the others."""
        return np.flatnonzero(self.held_out == held_out)


def make_corpus(
    folder: Path,
    urls: Sequence[str],
    people: Sequence[str | None],
    part: float,
    seed: int,
    pictures: Pictures | None = None,
) -> Corpus:
    """Combine clip features into a corpus; hold out whole people, about `part` of the clips.

    Parameters
    ----------
    folder : local; its files are written there
    urls : of each clip's :class:`ClipFeatures`
    people : of each clip; None to distinguish them by likeness
    pictures : kind to include
    """
    folder.mkdir(parents=True, exist_ok=True)
    likenesses, frames, columns, rates, gaps, openings, usual, tones = [], [], [], [], [], [], [], []
    with contextlib.ExitStack() as stack:
        files = {name: stack.enter_context((folder / f"{name}.raw").open("wb")) for name in ("lips", "mel", "pictures")}
        for url in urls:
            features = ClipFeatures.from_bytes(storage.read_bytes(url), pictures)
            there = ~np.isnan(features.lips[:, 0, 0])
            # Clips rarely change faces; gaps repeat the previous frame.
            lips = features.lips[fill_gaps(there)].astype(np.float64)
            width = np.linalg.norm(lips[:, SPEAKING.index(291)] - lips[:, SPEAKING.index(61)], axis=-1)
            shape = np.stack((gap_of(lips), width), axis=1)
            gaps.append((shape - np.median(shape, axis=0)).astype(np.float32))
            openings.append(shape[:, 0].astype(np.float32))
            usual.append(np.median(lips, axis=0))
            tones.append(features.tones)
            files["lips"].write((lips - usual[-1]).astype("<f4").tobytes())
            files["mel"].write(features.mel.astype("<f4").tobytes())
            if pictures is not None:
                files["pictures"].write(getattr(features, pictures).tobytes())
            likenesses.append(features.likeness)
            frames.append(len(lips))
            columns.append(len(features.mel))
            rates.append(float(features.rate))
    person = _people(np.stack(likenesses), people)
    index: dict[str, Any] = {
        "gaps": np.concatenate(gaps),
        "openings": np.concatenate(openings),
        "usual": np.array(usual, np.float32),
        "tones": np.concatenate(tones),
        "first": np.cumsum([0, *frames[:-1]]),
        "frames": np.array(frames),
        "column": np.cumsum([0, *columns[:-1]]),
        "columns": np.array(columns),
        "rate": np.array(rates),
        "person": person,
        "held_out": _held_out(person, part, seed),
    }
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **index)
    storage.commit_bytes(str(folder / _INDEX), buffer.getvalue())  # last: marks the corpus as complete
    return open_corpus(folder, pictures)


def is_corpus(folder: Path) -> bool:
    """Whether the folder contains a complete corpus."""
    return (folder / _INDEX).is_file()


def open_corpus(folder: Path, pictures: Pictures | None = None) -> Corpus:
    """Open an existing corpus that was made with the same pictures."""
    with np.load(folder / _INDEX) as arrays:
        index: dict[str, Any] = dict(arrays)
    total = int(index["frames"].sum())
    shapes = {
        "faces": (total, FACE, FACE, 3),
        "mouths": (total, MOUTH, MOUTH),
        "insides": (total, INSIDE, INSIDE, 3),
    }
    pixels: dict[str, Any] = (
        {pictures: np.memmap(folder / "pictures.raw", np.uint8, "r", shape=shapes[pictures])} if pictures else {}
    )
    return Corpus(
        lips=np.memmap(folder / "lips.raw", "<f4", "r", shape=(total, len(SPEAKING), 2)),
        mel=np.memmap(folder / "mel.raw", "<f4", "r", shape=(int(index["columns"].sum()), 80)),
        **index,
        **pixels,
    )


def _people(likenesses: NDArray[np.uint8], known: Sequence[str | None]) -> I64:
    """Number people by clustering normalised face crops by mean distance.

    This is not face recognition: background and clothes matter, so one person may get several numbers. Two similar
    people in the same place may share one, and are then held out together.
    """
    from scipy.cluster.hierarchy import fcluster, linkage

    out = numbered(known)
    unknown, names = np.flatnonzero(out < 0), int(out.max()) + 1
    if len(unknown) < 2:
        out[unknown] = names
        return out
    flat = likenesses[unknown].reshape(len(unknown), -1).astype(np.float64)
    groups = fcluster(linkage(flat, "average", metric="correlation"), _ALIKE, "distance")
    out[unknown] = names + groups - 1
    return out


def numbered(names: Sequence[str | None]) -> I64:
    """Number names alphabetically; −1 for None."""
    numbers = {name: number for number, name in enumerate(sorted({name for name in names if name is not None}))}
    return np.array([-1 if name is None else numbers[name] for name in names], np.int64)


def why_no_split(person: I64, part: float, named: bool) -> str | None:
    """Explain why nobody can be held out of these clips, and what to do; None if somebody can.

    Parameters
    ----------
    person : number of each clip's person
    part : `--held-out`
    named : whether a table names all people
    """
    numbers, counts = np.unique(person, return_counts=True)
    if len(numbers) == 1:
        if named:
            return (
                "by the column person all clips show one person: nobody can be held out. Add clips of a second "
                "person; for a single speaker, give the clips to hold out another name there"
            )
        return "all clips seem to show one person; a table with a column person can distinguish them"
    least = int(np.delete(counts, counts.argmax()).min())
    if least <= _MORE * part * len(person):
        return None
    enough = math.ceil(round(100 * least / len(person), 6)) / 100
    return (
        f"--held-out {part}: nobody can be held out. Of {len(person)} clips of {len(numbers)} people, whole people "
        "are, and the one "
        f"with the fewest has {least}; expected --held-out {enough}, or clips of more people"
    )


def _held_out(person: I64, part: float, seed: int) -> NDArray[np.bool_]:
    """Whole people, drawn until about `part` of the clips are held out; the largest is never drawn."""
    numbers, counts = np.unique(person, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(numbers))
    drawn: list[int] = []
    total = 0
    for position in order.tolist():
        if position != counts.argmax() and total + counts[position] <= _MORE * part * len(person):
            drawn.append(int(numbers[position]))
            total += int(counts[position])
        if total >= part * len(person):
            break
    return np.isin(person, drawn)


def fit_basis(corpus: Corpus, poses: int) -> tuple[F32, F32]:
    """(directions, readers), (poses, len(SPEAKING), 2) each: principal components of the training clips' displacements."""
    weight = np.full((len(SPEAKING), 1), _WEIGHTS[1])
    weight[: len(LIPS)] = _WEIGHTS[0]
    moment = np.zeros((2 * len(SPEAKING),) * 2)
    for clip in corpus.clips(held_out=False).tolist():
        flat = (corpus.lips[corpus.rows(clip)] * weight).reshape(-1, 2 * len(SPEAKING))
        moment += flat.T.astype(np.float64) @ flat
    _, vectors = np.linalg.eigh(moment)
    components = vectors[:, ::-1][:, :poses].T.reshape(poses, len(SPEAKING), 2)
    signs = np.sign(components.reshape(poses, -1)[np.arange(poses), np.abs(components).reshape(poses, -1).argmax(1)])
    components = components * signs[:, None, None]
    return (components / weight).astype(np.float32), (components * weight).astype(np.float32)
