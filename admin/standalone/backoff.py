"""How long to wait before a child that died is started again."""

from dataclasses import dataclass


@dataclass
class Backoff:
    """Doubling delays in seconds, from `first` to `longest`; a life of `healthy_after` seconds starts afresh."""

    first: float = 1.0
    longest: float = 30.0
    healthy_after: float = 60.0

    def __post_init__(self) -> None:
        self._next = self.first

    def delay(self, lived: float) -> float:
        """Return the pause after a life of `lived` seconds."""
        if lived >= self.healthy_after:
            self._next = self.first
        delay = self._next
        self._next = min(delay * 2, self.longest)
        return delay
