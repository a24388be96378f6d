"""CPU time of ours for an object in S3: boto3 against the way that the store takes, from one thread and from eight.

A real S3 server (SeaweedFS) runs beside it; its own time is not counted. GET of 256 KB is a noisy 512×512 image, PUT of
70 KB what an image's mask and probability map are about.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import process_time

from benchmarks.measure import Effort, Row, alternate, command, ratios
from devservers import s3_server
from shared.store import ObjectStore

SOURCE, RESULT = os.urandom(256 * 1024), os.urandom(70 * 1024)
THREADS = (1, 8)


def rows(effort: Effort) -> list[Row]:
    """Milliseconds of CPU for one request, and how many times as much boto3 needs."""
    with s3_server() as endpoint:
        store = endpoint.open("benchmark")
        store.prepare()
        store.put("source", SOURCE)
        measured = [row for threads in THREADS for row in _compare(store, threads, effort)]
        store.close()
    return measured


def _compare(store: ObjectStore, threads: int, effort: Effort) -> list[Row]:
    requests: dict[str, Callable[[int], object]] = {
        "get 256 KB": lambda _: store.get("source"),
        "put 70 KB": lambda number: store.put(f"result-{number % 32}", RESULT, "image/png"),
    }
    count = effort.of(400, 20)
    found = []
    with ThreadPoolExecutor(threads) as pool:

        def cost(request: Callable[[int], object], *, by_sdk: bool) -> float:
            def one(number: int) -> None:
                if by_sdk:
                    with store._clients.interruptible():  # type: ignore[attr-defined]  # the SDK alone
                        request(number)
                else:
                    request(number)

            list(pool.map(one, range(threads)))  # connections are open
            start = process_time()
            list(pool.map(one, range(count)))
            return (process_time() - start) * 1000 / count

        for name, request in requests.items():
            sides = {"boto3": partial(cost, request, by_sdk=True), "ours": partial(cost, request, by_sdk=False)}
            samples = alternate(sides, effort.rounds)
            where = f"{name}, {threads} thread{'s' if threads > 1 else ''}"
            found += [
                Row.of(f"{where}: boto3", "ms CPU", samples["boto3"]),
                Row.of(f"{where}: the store", "ms CPU", samples["ours"]),
                Row.of(f"{where}: boto3 / the store", "ratio", ratios(samples["boto3"], samples["ours"])),
            ]
    return found


if __name__ == "__main__":
    command(__doc__, rows)
