"""Carries out a plan of faults, each at its time, overlapping as planned."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence

from tests.faults.injections import inject
from tests.faults.plan import Fault
from tests.faults.world import World


class Chaos:
    """The faults of one run. `injected` counts those that could be done, by kind."""

    def __init__(self, world: World, faults: Sequence[Fault], say: Callable[[str], None]) -> None:
        self.injected: Counter[str] = Counter()
        self._world = world
        self._faults = faults
        self._say = say
        self._lock = threading.Lock()

    def run(self, seconds: float) -> None:
        """Inject all faults; returns after so many seconds, when the last is over."""
        began = time.monotonic()
        threads = []
        for fault in self._faults:
            time.sleep(max(0.0, began + fault.at - time.monotonic()))
            thread = threading.Thread(target=self._inject, args=[fault], daemon=True)
            thread.start()
            threads.append(thread)
        time.sleep(max(0.0, began + seconds - time.monotonic()))
        for thread in threads:
            thread.join()

    def _inject(self, fault: Fault) -> None:
        self._say(str(fault))
        try:
            done = inject(self._world, fault)
        except Exception as error:
            # The world is in the midst of other faults: what this one needs may be away. It counts as not done.
            self._say(f"#{fault.number} could not be done: {type(error).__name__}: {error}")
            return
        if done:
            with self._lock:
                self.injected[fault.kind] += 1
