"""Threads for each kind of request: what is slow takes its own, and never those of pages or of health.

A lane that has as much waiting as it may refuses more at once, with 503 and `Retry-After`, by way of the pages' lane.
"""

import re
import time
from dataclasses import dataclass
from typing import Any

from waitress.task import ThreadedTaskDispatcher

from admin.web.refusals import Unread

_RETRY_SECONDS = "5"
_CLOSE_SECONDS = 5.0


@dataclass(frozen=True)
class Lane:
    """Threads, and how many requests may wait for one."""

    threads: int
    waiting: int


_UNBOUNDED = 10_000  # connections bound it
LANES = {
    "live": Lane(1, _UNBOUNDED),
    "ready": Lane(2, _UNBOUNDED),  # asks the services, which may be away; metrics do too
    "pages": Lane(8, _UNBOUNDED),
    "pictures": Lane(3, 128),  # a page has 36; one thread is always left for thumbnails
    "downloads": Lane(4, 16),  # held for as long as a reader takes
    "submissions": Lane(4, 16),
    "waits": Lane(16, 32),  # each for as long as a job takes, or its client would wait
    "passwords": Lane(2, 8),  # a hash takes 64 MiB and half a second
}
THREADS = sum(lane.threads for lane in LANES.values())

_PICTURE = re.compile(r"/items/[^/]+/([a-z]+\.png|preview\.webp|region)|/new/synthetic/preview\.png")
_DOWNLOAD = re.compile(r"(/api/v1)?/jobs/[^/]+/results\.zip|/api/v1/items/[^/]+/files/[^/]+")
_SUBMISSIONS = frozenset({"/new/upload", "/new/synthetic", "/api/v1/jobs/images", "/api/v1/jobs/synthetic"})
_BATCH = re.compile(r"/api/v1/jobs/[^/]+/images|/new/upload/[^/]+/files")
_WAITS = frozenset({"/api/v1/predict", "/api/v1/predict/json", "/api/v1/demo"})
_PASSWORDS = frozenset({"/login", "/account/password", "/tokens"})


def lane_of(method: str, path: str, *, prefers: str = "") -> str:
    """Return the name of the lane of a request; `prefers` is its header `Prefer`."""
    if path == "/health/live":
        return "live"
    if path.startswith("/health") or path == "/metrics":
        return "ready"
    if _PICTURE.fullmatch(path):
        return "pictures"
    if _DOWNLOAD.fullmatch(path):
        return "downloads"
    if path in _WAITS or (path.startswith("/api/v1/jobs/") and "wait" in prefers.lower()):
        return "waits"
    if method == "POST" and (path in _SUBMISSIONS or _BATCH.fullmatch(path)):
        return "submissions"
    if method == "POST" and path in _PASSWORDS:
        return "passwords"
    return "pages"


class Lanes:
    """The running threads of all lanes."""

    def __init__(self) -> None:
        self._dispatchers: dict[str, Any] = {}
        for name, lane in LANES.items():
            self._dispatchers[name] = dispatcher = ThreadedTaskDispatcher()
            dispatcher.set_thread_count(lane.threads)

    @property
    def pages(self) -> Any:
        """The lane that waitress itself knows."""
        return self._dispatchers["pages"]

    def add(self, channel: Any) -> None:
        """Have the first request of a connection served."""
        request = channel.requests[0]
        prefers = request.headers.get("PREFER", "")
        name = "pages" if request.error else lane_of(request.command, "/" + request.path.lstrip("/"), prefers=prefers)
        dispatcher = self._dispatchers[name]
        if len(dispatcher.queue) >= LANES[name].waiting:
            advice = "The admin has as much of this in work as it takes at once. Try again in a moment."
            request.unread = Unread(503, advice, {"Retry-After": _RETRY_SECONDS})
            dispatcher = self.pages
        dispatcher.add_task(channel)

    def close(self) -> None:
        """End the threads; what is in work has some seconds, all lanes the same."""
        deadline = time.monotonic() + _CLOSE_SECONDS
        for dispatcher in self._dispatchers.values():
            dispatcher.set_thread_count(0)
        for dispatcher in self._dispatchers.values():
            dispatcher.shutdown(timeout=max(0.0, deadline - time.monotonic()))
