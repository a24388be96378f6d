"""Guessing passwords, slowed down."""

import ipaddress
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable

WINDOW_SECONDS = 300.0
MOST_FAILURES_OF_AN_ADDRESS = 10
# Guesses from many addresses. Higher, since it also keeps the owner out for the rest of the window.
MOST_FAILURES_OF_A_NAME = 50
_MOST_KEYS = 10_000


class LoginLimiter:
    """Counts failed logins by address and by name over the last WINDOW_SECONDS, in this process's memory."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, address: str, name: str) -> float:
        """Return for how many seconds nobody may try from this address, or to be this account; 0.0 for go on."""
        with self._lock:
            return max(self._wait(key, limit) for key, limit in _keys(address, name))

    def failed(self, address: str, name: str) -> None:
        """Note a failed login."""
        with self._lock:
            for key, limit in _keys(address, name):
                self._failures.setdefault(key, deque(maxlen=limit)).append(self._clock())
                self._failures.move_to_end(key)
            while len(self._failures) > _MOST_KEYS:
                self._failures.popitem(last=False)

    def succeeded(self, address: str, name: str) -> None:
        """Forget what failed before."""
        with self._lock:
            for key, _ in _keys(address, name):
                self._failures.pop(key, None)

    def _wait(self, key: str, limit: int) -> float:
        failures = self._failures.get(key)
        if failures is None or len(failures) < limit:
            return 0.0
        return max(0.0, failures[0] + WINDOW_SECONDS - self._clock())


def _keys(address: str, name: str) -> tuple[tuple[str, int], tuple[str, int]]:
    return (f"address {_network(address)}", MOST_FAILURES_OF_AN_ADDRESS), (f"name {name}", MOST_FAILURES_OF_A_NAME)


def _network(address: str) -> str:
    """An IPv6 client owns a whole /64; an IPv4 client is one address."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False)) if parsed.version == 6 else address
