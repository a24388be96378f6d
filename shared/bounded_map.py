"""A map over threads that keeps the order of its values and a bounded number of them in flight."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Executor, Future
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def bounded_map(
    function: Callable[[T], R], values: Iterable[T], executor: Executor, *, ahead: int
) -> Generator[R, None, None]:
    """Yield `function` of each value, in the order of the values.

    Unlike `Executor.map` it takes no more values than it needs, so that `values` may be endless and memory stays flat;
    closing the generator cancels what has not begun.

    Args:
        function: runs in the executor's threads; what it raises is raised when its turn comes.
        values: taken in the caller's thread.
        executor: stays open.
        ahead: values in flight at once, 1 at least.
    """
    remaining = iter(values)
    in_flight: deque[Future[R]] = deque()
    try:
        while True:
            in_flight.extend(executor.submit(function, value) for value in islice(remaining, ahead - len(in_flight)))
            if not in_flight:
                return
            yield in_flight.popleft().result()
    finally:
        for future in in_flight:
            future.cancel()
