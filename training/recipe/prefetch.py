"""Batches that are read while the network is busy with those before."""

from collections.abc import Iterator
from queue import Empty, Queue
from threading import Event, Thread
from typing import TypeVar

T = TypeVar("T")

_PATIENCE_SECONDS = 0.1  # between looks whether anybody still wants more


def prefetched(batches: Iterator[T], depth: int = 2) -> Iterator[T]:
    """Yield what `batches` does, which a thread asks for up to `depth` ahead.

    So a step takes as long as reading or computing, whichever is longer, and not both. What `batches` raises is raised
    where its batch would have come. Closing this, or leaving it, ends the thread.
    """
    ready: Queue[tuple[T | None, BaseException | None]] = Queue()
    wanted, left = Queue[None](), Event()
    for _ in range(depth):
        wanted.put(None)
    thread = Thread(target=_read, args=(batches, ready, wanted, left), name="prefetch", daemon=True)
    thread.start()
    try:
        while True:
            batch, error = ready.get()
            if error is not None:
                raise error
            if batch is None:
                return
            wanted.put(None)
            yield batch
    finally:
        left.set()
        thread.join()


def _read(
    batches: Iterator[T],
    ready: "Queue[tuple[T | None, BaseException | None]]",
    wanted: "Queue[None]",
    left: Event,
) -> None:
    try:
        while not left.is_set():
            try:
                wanted.get(timeout=_PATIENCE_SECONDS)
            except Empty:
                continue
            batch = next(batches, None)
            ready.put((batch, None))
            if batch is None:
                return
    except BaseException as error:
        ready.put((None, error))
    finally:
        if (close := getattr(batches, "close", None)) is not None:
            close()
