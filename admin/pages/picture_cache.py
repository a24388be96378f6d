"""Drawn pictures, kept in memory for the next who looks: a large source takes a second to draw."""

import threading
from collections import OrderedDict


class PictureCache:
    """The pictures that were asked for last, at most `max_bytes` of them; for all threads of the process.

    Names have to change with the picture: nothing that is kept is ever asked about again.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._pictures: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: str) -> bytes | None:
        """Return a picture, or None where it was never kept, or had to make room."""
        with self._lock:
            if name in self._pictures:
                self._pictures.move_to_end(name)
            return self._pictures.get(name)

    def put(self, name: str, picture: bytes) -> None:
        """Keep a picture; those that were not asked for the longest make room. One that is too large is not kept."""
        if len(picture) > self._max_bytes:
            return
        with self._lock:
            self._bytes += len(picture) - len(self._pictures.pop(name, b""))
            self._pictures[name] = picture
            while self._bytes > self._max_bytes:
                self._bytes -= len(self._pictures.popitem(last=False)[1])
