"""Ray Data's batch inference over the same sources in S3, results in S3, rows in SQL.

Two ways to write it, and the better one counts: the three stages that its guide shows (read and decode, a pool of
actors with the network, encode and write), or one pool of actors that do all of it, so that no pixels go through Ray's
object store. The pool has an actor for each core, each with one thread of the network, as the worker has; S3 is
reached by pyarrow's client, whose transfers leave the interpreter's lock alone.
"""

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import psycopg
import pyarrow.fs
import ray
import torch

from benchmarks.alternatives.one_image import read, written
from benchmarks.images import tiles
from benchmarks.predictors import shipped
from benchmarks.processes import answer_lines
from shared.config import load_settings
from worker.throughput import BATCH_ON_CPU

BUCKET = "benchmark"
TABLE = "CREATE TABLE IF NOT EXISTS ray_data (key text, begun_at double precision, finished_at double precision)"
_ROW = "INSERT INTO ray_data VALUES (%s, %s, %s)"
_THREADS = 4  # that read or write, in each process

Batch = dict[str, Any]


class Store:
    """S3 and SQL of one process."""

    def __init__(self) -> None:
        settings = load_settings()
        key, secret = settings.aws_access_key_id, settings.aws_secret_access_key
        if key is None or secret is None:
            raise RuntimeError("no keys for S3")
        self._files = pyarrow.fs.S3FileSystem(
            access_key=key.get_secret_value(),
            secret_key=secret.get_secret_value(),
            scheme="http",
            endpoint_override=urlsplit(settings.s3_endpoint_url or "").netloc,
            region=settings.aws_region or "us-east-1",
        )
        self._threads = ThreadPoolExecutor(_THREADS)
        self._sql = psycopg.connect(settings.database.replace("+psycopg", ""), autocommit=True)

    def images(self, keys: list[str]) -> list[np.ndarray[Any, Any]]:
        """Images, standardised, in the order of the keys."""
        return list(self._threads.map(lambda key: read(self._get(key)), keys))

    def put(self, keys: list[str], levels: list[np.ndarray[Any, Any]], threshold: float, begun: list[float]) -> None:
        """Encode and write both results of each, then the rows at once."""
        list(self._threads.map(lambda key, each: self._put_both(key, each, threshold), keys, levels))
        now = time.time()
        self._sql.cursor().executemany(_ROW, [(key, at, now) for key, at in zip(keys, begun, strict=True)])

    def _get(self, key: str) -> bytes:
        with self._files.open_input_file(f"{BUCKET}/{key}") as file:
            return bytes(file.readall())

    def _put_both(self, key: str, levels: np.ndarray[Any, Any], threshold: float) -> None:
        for kind, data in zip(("mask", "prob"), written(np.ascontiguousarray(levels), threshold), strict=True):
            with self._files.open_output_stream(f"{BUCKET}/ray/{kind}/{key}") as stream:
                stream.write(data)


class Network:
    """An actor with the network."""

    def __init__(self) -> None:
        torch.set_num_threads(1)
        self.predictor = shipped()
        self.predictor.predict_tiles(tiles(1))

    def __call__(self, batch: Batch) -> Batch:
        """Predict: pixels to probability levels."""
        begun = time.time()
        levels = self.predictor.predict_tiles(np.ascontiguousarray(batch["image"]))
        return {"key": batch["key"], "levels": levels, "begun": np.full(len(levels), begun)}


class Everything(Network):
    """An actor that reads, predicts and writes."""

    def __init__(self) -> None:
        super().__init__()
        self.store = Store()

    def __call__(self, batch: Batch) -> Batch:
        """Segment images: keys to keys."""
        begun, keys = time.time(), [str(key) for key in batch["key"]]
        levels = self.predictor.predict_tiles(np.stack(self.store.images(keys)))
        self.store.put(keys, list(levels), self.predictor.threshold, [begun] * len(keys))
        return {"key": batch["key"]}


_own: dict[str, Store] = {}


def _store() -> Store:
    return _own.setdefault("store", _own.get("store") or Store())


def read_batch(batch: Batch) -> Batch:
    """Read images: keys to pixels."""
    return {"key": batch["key"], "image": np.stack(_store().images([str(key) for key in batch["key"]]))}


def write_batch(batch: Batch) -> Batch:
    """Write results: probability levels to keys."""
    keys = [str(key) for key in batch["key"]]
    _store().put(keys, list(batch["levels"]), 0.5, [float(at) for at in batch["begun"]])
    return {"key": batch["key"]}


def run(way: str, keys: list[str], batch_size: int) -> float:
    """Images per second, from the moment at which the first actor has its network and its first batch."""
    cores = len(os.sched_getaffinity(0))
    # Blocks small enough that all actors have some until the end.
    data: ray.data.Dataset = ray.data.from_items(
        [{"key": key} for key in keys], override_num_blocks=max(2, len(keys) // (2 * batch_size))
    )
    pool = ray.data.ActorPoolStrategy(size=cores)
    if way == "one stage":
        data = data.map_batches(Everything, batch_size=batch_size, compute=pool, num_cpus=0.5)
    else:
        # Shares of a core, so that all three stages run at once.
        data = data.map_batches(read_batch, batch_size=batch_size, num_cpus=0.25)
        data = data.map_batches(Network, batch_size=batch_size, compute=pool, num_cpus=0.5)
        data = data.map_batches(write_batch, batch_size=batch_size, num_cpus=0.25)
    with psycopg.connect(load_settings().database.replace("+psycopg", ""), autocommit=True) as sql:
        sql.execute(TABLE)
        sql.execute("TRUNCATE ray_data")
        data.materialize()
        found = sql.execute("SELECT count(*), max(finished_at) - min(begun_at) FROM ray_data").fetchone()
    if found is None or found[0] != len(keys):
        raise RuntimeError(f"Ray Data has done {found} of {len(keys)} images")
    return len(keys) / float(found[1])


def main() -> None:
    """Answer "one stage 256" or "three stages 256" with images per second."""
    ray.init(
        _temp_dir=sys.argv[1],
        _node_ip_address="127.0.0.1",
        num_cpus=len(os.sched_getaffinity(0)),
        include_dashboard=False,
        log_to_driver=False,
    )
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    batch_size = load_settings().batch_size or BATCH_ON_CPU

    def answer(line: str) -> float:
        way, _, count = line.rpartition(" ")
        return run(way, [f"{BUCKET}/{number:06d}.png" for number in range(int(count))], batch_size)

    answer_lines(answer)


if __name__ == "__main__":
    main()
