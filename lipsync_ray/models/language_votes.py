"""Determines the language of a long sound from votes of several 30 s windows."""

from __future__ import annotations

from collections import Counter

SURE = 0.5  # probability from which one window's language is accepted

Likely = dict[str, float]  # language → probability


class Languages:
    """Language probabilities of the windows seen so far."""

    def __init__(self) -> None:
        self._windows: list[Likely] = []

    def add(self, windows: list[Likely]) -> None:
        """Add windows."""
        self._windows += windows

    def of(self, windows: list[Likely]) -> str:
        """Language of these new windows: their own if it is sure, else that of all windows including them."""
        language, probability = _best(windows)
        return language if probability >= SURE else _best(self._windows + windows)[0]

    def best(self) -> tuple[str | None, float | None]:
        """(language, probability) over all windows; (None, None) without speech."""
        return _best(self._windows) if self._windows else (None, None)

    def others(self) -> tuple[str, ...]:
        """Languages that some window is sure of, except that of the whole."""
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
