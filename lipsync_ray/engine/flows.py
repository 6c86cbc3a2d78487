"""Outcomes on a thread of their own, ended and joined before the engine that they come from is closed.

``ray.shutdown()`` ends this process at once, with status 1 and without a word, where a thread still asks Ray for something; a
process that ends while a thread of it loads a network may crash.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterator

from lipsync_ray.engine.stages import ENGINE, Failure, Outcome

PATIENCE_S = 30.0  # for what is in work, when a flow is to end
_OPEN: set[Flow] = set()


class Flow:
    """Outcomes as they come, until there are no more or :meth:`end` is called.

    Parameters
    ----------
    name : of the thread
    begin : called in the thread; its outcomes end when the event that it is given is set
    take : called in the thread with every outcome, and at last with why no more comes
    """

    def __init__(
        self,
        name: str,
        begin: Callable[[threading.Event], Iterator[Outcome]],
        take: Callable[[Outcome | Failure], None],
    ) -> None:
        self._begin, self._take = begin, take
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._flow, name=name, daemon=True)
        _OPEN.add(self)
        self._thread.start()

    def _flow(self) -> None:
        last = Failure(ENGINE, "the pass has ended")
        try:
            for outcome in self._begin(self._stop):
                self._take(outcome)
        except Exception as error:
            last = Failure(ENGINE, str(error), traceback.format_exc())
        finally:
            self._take(last)
            _OPEN.discard(self)

    def stop(self) -> None:
        """Have it end soon."""
        self._stop.set()

    def end(self) -> None:
        """Stop it and wait for its thread, at most :data:`PATIENCE_S`."""
        self.stop()
        self._thread.join(PATIENCE_S)


def end_all() -> None:
    """End every flow that is left, as after an error in the thread that takes its outcomes."""
    flows = list(_OPEN)
    for flow in flows:
        flow.stop()
    for flow in flows:
        flow.end()
