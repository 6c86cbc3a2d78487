"""Draws the rows of a sample: from each language, model and source video its share, and the same rows for the same seed.

The rows of a table have one order of drawing for a seed, of which a sample is the beginning. A larger sample therefore contains the
smaller ones. First comes one row of each stratum (language × model × source video), of the languages and models in turn; then the
rest by Webster's method, in which every stratum keeps its share as the sample grows (Balinski and Young, Fair Representation, 1982).
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from lipsync_ray.jobs.evaluate.evaluation_input import EvaluationInput
from lipsync_ray.settings import SampleSettings

T = TypeVar("T")


@dataclass(frozen=True)
class Sample:
    """The rows of an evaluation, drawn from those of its source.

    Attributes
    ----------
    items : to score, in the order of the source
    of : number of rows in the source
    weights : id → rows of the source for which it stands in a mean; empty where all are drawn
    """

    items: list[EvaluationInput]
    of: int
    weights: dict[str, float] = field(default_factory=dict)

    def record(self, settings: SampleSettings) -> dict[str, Any] | None:
        """For run.json; None where all rows are drawn."""
        if not self.weights:
            return None
        return {"asked": settings.sample, "seed": settings.seed or 0, "rows": len(self.items), "of": self.of}


def drawn(items: Sequence[EvaluationInput], settings: SampleSettings) -> Sample:
    """Draw the rows that the settings ask for; all where these are not fewer."""
    count = settings.count_of(len(items))
    if count == len(items):
        return Sample(list(items), len(items))
    chosen = order(items, settings.seed or 0)[:count]
    names = {item.id for item in chosen}
    return Sample([item for item in items if item.id in names], len(items), weights(items, chosen))


def order(items: Sequence[EvaluationInput], seed: int) -> list[EvaluationInput]:
    """All rows, in the order in which they are drawn."""
    strata = _grouped(items, stratum_of)
    firsts, others = [], []
    for key, members in strata.items():
        ranked = sorted(members, key=lambda item: _hash(seed, item.id))
        firsts.append((_hash(seed, *key), key, ranked[0]))
        others += [
            (-len(ranked) / (place + 0.5), _hash(seed, item.id), item) for place, item in enumerate(ranked) if place
        ]
    groups = _grouped(sorted(firsts, key=lambda first: first[0]), lambda first: first[1][:2])
    turns = [(turn, _hash(seed, *key), first[2]) for key, own in groups.items() for turn, first in enumerate(own)]
    return [item for *_, item in (*sorted(turns, key=_rank), *sorted(others, key=_rank))]


def weights(items: Sequence[EvaluationInput], chosen: Sequence[EvaluationInput]) -> dict[str, float]:
    """For how many rows each chosen one stands: those of its stratum, and its part of the strata of which none is drawn.

    The weights of a language and model add up to its rows.
    """
    of_stratum, of_group = _grouped(items, stratum_of), _grouped(items, _group_of)
    drawn_of_stratum = _grouped(chosen, stratum_of)
    raw = {item.id: len(of_stratum[stratum_of(item)]) / len(drawn_of_stratum[stratum_of(item)]) for item in chosen}
    out: dict[str, float] = {}
    for key, own in _grouped(chosen, _group_of).items():
        scale = len(of_group[key]) / sum(raw[item.id] for item in own)
        out |= {item.id: raw[item.id] * scale for item in own}
    return out


def stratum_of(item: EvaluationInput) -> tuple[str, str, str]:
    """Language, model and source video of a row; empty where it has none."""
    return (*_group_of(item), item.reference or "")


def _group_of(item: EvaluationInput) -> tuple[str, str]:
    return item.language or "", item.model or ""


def _hash(*parts: object) -> str:
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()


def _rank(one: tuple[float, str, EvaluationInput]) -> tuple[float, str]:
    return one[:2]


def _grouped(items: Sequence[T], key: Callable[[T], Hashable]) -> dict[Any, list[T]]:
    out: dict[Any, list[T]] = defaultdict(list)
    for item in items:
        out[key(item)].append(item)
    return out
