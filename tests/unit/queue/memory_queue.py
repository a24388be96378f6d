"""The broker as a list of hints, from which a test takes in any order."""

from collections.abc import Iterator
from contextlib import contextmanager

from shared.queue.messages import ShardMessage


class MemoryQueue:
    """Stands in for `ShardQueue` where the test is about SQL."""

    def __init__(self) -> None:
        self.messages: list[ShardMessage] = []

    @contextmanager
    def filling(self) -> Iterator[bool]:
        yield True

    def publish(self, message: ShardMessage) -> None:
        self.messages.append(message)

    def length(self) -> int:
        return len(self.messages)
