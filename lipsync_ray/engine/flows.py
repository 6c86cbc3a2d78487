"""Reads outcomes in a thread that is stopped and joined before the engine closes.

``ray.shutdown()`` silently ends this process with status 1 if a thread still queries Ray. A process that exits while
one of its threads loads a network may crash.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterator

from lipsync_ray.engine.stages import ENGINE, Failure, Outcome

JOIN_TIMEOUT_S = 30.0  # for rows in work, when a flow should end
_OPEN: set[Flow] = set()


class Flow:
    """Passes on outcomes as they come, until there are no more or :meth:`end` is called.

    Parameters
    ----------
    name : of the thread
    begin : called in the thread with an event; returns outcomes, which must end when the event is set
    on_outcome : called in the thread with every outcome, and finally with a Failure that says why no more comes
    """

    def __init__(
        self,
        name: str,
        begin: Callable[[threading.Event], Iterator[Outcome]],
        on_outcome: Callable[[Outcome | Failure], None],
    ) -> None:
        self._begin, self._on_outcome = begin, on_outcome
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._flow, name=name, daemon=True)
        _OPEN.add(self)
        self._thread.start()

    def _flow(self) -> None:
        last = Failure(ENGINE, "the pass has ended")
        try:
            for outcome in self._begin(self._stop):
                self._on_outcome(outcome)
        except Exception as error:
            last = Failure(ENGINE, str(error), traceback.format_exc())
        finally:
            self._on_outcome(last)
            _OPEN.discard(self)

    def stop(self) -> None:
        """Ask it to end."""
        self._stop.set()

    def end(self) -> None:
        """Stop it and wait for its thread, at most :data:`JOIN_TIMEOUT_S` seconds."""
        self.stop()
        self._thread.join(JOIN_TIMEOUT_S)


def end_all() -> None:
    """End every remaining flow, as after an error in the thread that reads its outcomes."""
    flows = list(_OPEN)
    for flow in flows:
        flow.stop()
    for flow in flows:
        flow.end()
