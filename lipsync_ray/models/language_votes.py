"""Which language a long sound is in: places of it are asked, and need not agree."""

from __future__ import annotations

from collections import Counter

SURE = 0.5  # probability from which a language is believed in one place

Likely = dict[str, float]  # language → probability


class Languages:
    """What is heard in the places of a sound that were asked."""

    def __init__(self) -> None:
        self._windows: list[Likely] = []

    def add(self, windows: list[Likely]) -> None:
        """Some more of the sound."""
        self._windows += windows

    def of(self, windows: list[Likely]) -> str:
        """Of some more of the sound: what it is there, if that is sure; else what it is in the whole so far."""
        language, probability = _best(windows)
        return language if probability >= SURE else _best(self._windows + windows)[0]

    def best(self) -> tuple[str | None, float | None]:
        """The language of the whole and its probability; None where nothing was said."""
        return _best(self._windows) if self._windows else (None, None)

    def others(self) -> tuple[str, ...]:
        """Languages of which some place is sure, and that the whole is not in."""
        whole, _ = self.best()
        sure = [
            language for language, probability in (_best([window]) for window in self._windows) if probability >= SURE
        ]
        return tuple(dict.fromkeys(language for language in sure if language != whole))


def _best(windows: list[Likely]) -> tuple[str, float]:
    total: Counter[str] = Counter()
    for window in windows:
        total.update(window)
    best = max(sorted(total), key=lambda code: total[code])
    return best, float(total[best] / len(windows))
