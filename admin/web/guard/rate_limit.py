"""How often one token may ask: a bucket that fills steadily, and holds a burst of ten seconds."""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

BURST_SECONDS = 10.0
_MAX_TOKENS = 10_000  # that are remembered; the one that asked longest ago is forgotten first


class RateLimiter:
    """Counts requests by token, in this process.

    Args:
        per_minute: how many a token may send; 0 stands for any number.
        clock: in seconds.
    """

    def __init__(self, per_minute: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = per_minute / 60
        self._burst = max(1.0, self._rate * BURST_SECONDS)
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # what is left, and when that was
        self._lock = threading.Lock()

    def wait(self, token_id: str) -> int:
        """Count a request and return 0, or return after how many seconds it may come."""
        if not self._rate:
            return 0
        with self._lock:
            now = self._clock()
            left, since = self._buckets.get(token_id, (self._burst, now))
            left = min(self._burst, left + (now - since) * self._rate)
            may = left >= 1
            self._buckets[token_id] = (left - 1 if may else left, now)
            self._buckets.move_to_end(token_id)
            while len(self._buckets) > _MAX_TOKENS:
                self._buckets.popitem(last=False)
        return 0 if may else math.ceil((1 - left) / self._rate)
