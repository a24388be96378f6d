"""The client: jobs in, results out."""

import tempfile
import time
import uuid
import zipfile
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from delineate_client.connection import DEFAULT_PATIENCE_SECONDS, Connection
from delineate_client.errors import WaitTimeout
from delineate_client.models import Item, Job
from delineate_client.pictures import Map, Mask, encoded, mask_of, probability_of
from delineate_client.sending import Images, NamedFile, add_objects, batches, files_of, send_all

_PAGE_ITEMS = 200
_FETCHED_AHEAD = 8
_WAIT_SECONDS, _SHORT_PAUSE_SECONDS = 30, 0.1
_DEFAULTS = {
    "channel": "auto",
    "pixel_size": None,
    "smooth": 0,
    "fill_holes": False,
    "min_area": 0,
    "keep_largest": False,
    "model": None,
    "threshold": None,
}


@dataclass(frozen=True, eq=False)
class Result:
    """What was found in one image. Arrays have its size, (height, width); None where it failed.

    Attributes:
        item: the image, with what was measured of it.
        mask: bool, True inside.
        probability: float32, from 0 to 1.
    """

    item: Item
    mask: Mask | None
    probability: Map | None


class Client:
    """Delineate's HTTP API. Safe in threads; close it, or use it as a context.

    Args:
        url: of the admin, such as `http://127.0.0.1:8000`.
        token: that the page *Tokens* or `admin tokens create` made; an operator's where anything is submitted.
        patience: for how many seconds what may pass, such as a restart, is tried again.
        transport: of httpx, for tests.

    Raises:
        ApiError: from every method: the API refuses what was asked, and says what to do.
        ApiUnavailable: from every method: it stayed away; nothing is lost.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        patience: float = DEFAULT_PATIENCE_SECONDS,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.connection = Connection(url, token, patience=patience, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self.connection.close()

    def submit(
        self,
        images: Images,
        *,
        name: str = "upload",
        priority: str = "normal",
        scale: float | str = 1.0,
        unfamiliar: str = "flag",
        channel: str = "auto",
        pages: str = "first",
        pixel_size: str | None = None,
        smooth: int = 0,
        fill_holes: bool = False,
        min_area: int = 0,
        keep_largest: bool = False,
        model: str | None = None,
        threshold: float | None = None,
        described: Mapping[str, Mapping[str, str]] | None = None,
        recursive: bool = False,
        key: str | None = None,
    ) -> Job:
        """Submit images as one job, and return it.

        Args:
            images: a folder, files, or arrays by name: (height, width) of uint8, uint16 or floats, or
                (height, width, 3) of uint8; or `s3://bucket/prefix`, whose images stay where they are.
            name: of the job.
            priority: "low", "normal" or "high".
            scale: by which the images are resampled for the network, or "auto".
            unfamiliar: "flag" or "refuse", see docs/trusting-results.md.
            channel: what of several channels is segmented: "auto", "luma", "mean", "max", a colour or a number from 1.
            pages: of a TIFF of several: "first", or each of "all", "3", "1-10" as an image of its own.
            pixel_size: with its unit, "0.65um" or "0.5x0.6um"; None: what each TIFF says of its own.
            smooth: masks get what most pixels are within so many px; 0 is off.
            fill_holes: whether the holes of objects become part of them.
            min_area: px; objects of fewer are dropped.
            keep_largest: whether the largest object of each mask alone stays.
            model: name of the published model that segments them, or digits of its SHA-256; None: the active one.
            threshold: between 0 and 1, at which their maps are cut; None: the model's own.
            described: what else is known of images, by path and column; it comes back in results.csv.
            recursive: whether subfolders are gone into.
            key: any text by which an interrupted submission is found again: the same call then sends what is missing.

        Raises:
            ValueError: there is no image, or an array is none.
            OSError: a file cannot be read.
        """
        address = images if isinstance(images, str) and images.startswith("s3://") else None
        files = iter(()) if address else files_of(images, recursive=recursive)
        first = next(files, None)  # before there is a job
        body = {"name": name, "priority": priority, "scale": scale, "unfamiliar": unfamiliar}
        body |= _asked(channel=channel, pixel_size=pixel_size)
        body |= _asked(model=model, threshold=threshold)
        body |= _asked(smooth=smooth, fill_holes=fill_holes, min_area=min_area, keep_largest=keep_largest)
        # With a key of its own even so: an answer that is lost does not make two jobs.
        begun = self.connection.json("POST", "jobs", json=body | {"key": key or str(uuid.uuid4())})
        if address:
            add_objects(self.connection, begun["id"], address, recursive=recursive)
        else:
            missing = (_with(file, described) for file in self._missing(begun, chain(filter(None, [first]), files)))
            send_all(self.connection, begun["id"], missing, pages=pages)
        return Job.of(self.connection.json("POST", f"jobs/{begun['id']}/seal"))

    def synthesise(self, count: int, *, name: str = "synthetic", priority: str = "normal", **scene: Any) -> Job:
        """Start a job of generated images; `scene` has what else the document's `Synthetic` takes, as `seed`."""
        body = {"count": count, "name": name, "priority": priority} | scene
        key = {"Idempotency-Key": str(uuid.uuid4())}
        return Job.of(self.connection.json("POST", "jobs/synthetic", json=body, headers=key))

    def job(self, job: Job | str) -> Job:
        """Return a job as it stands now."""
        return Job.of(self.connection.json("GET", f"jobs/{_id(job)}"))

    def jobs(self, *, limit: int = 20) -> list[Job]:
        """Return the newest jobs, the newest first, at most 500."""
        return [Job.of(value) for value in self.connection.json("GET", "jobs", params={"limit": limit})["jobs"]]

    def wait(
        self, job: Job | str, *, timeout: float | None = None, on_progress: Callable[[Job], None] | None = None
    ) -> Job:
        """Wait for a job's end and return it.

        Args:
            job: or its id.
            timeout: in seconds; None waits for as long as it takes.
            on_progress: gets the job as it stands, now and then.

        Raises:
            WaitTimeout: it has not ended by then.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        longest = _WAIT_SECONDS if on_progress is None else 1
        while True:
            left = longest if deadline is None else min(longest, deadline - time.monotonic())
            asked = {"Prefer": f"wait={int(left)}"} if left >= 1 else {}
            found = Job.of(self.connection.json("GET", f"jobs/{_id(job)}", headers=asked))
            if on_progress is not None:
                on_progress(found)
            if found.has_ended:
                return found
            if left <= 0:
                raise WaitTimeout(f"job {found.id} is {found.state} after {timeout:g} s; it goes on")
            if not asked:
                time.sleep(min(left, _SHORT_PAUSE_SECONDS))

    def cancel(self, job: Job | str) -> Job:
        """Cancel a job: what waits ends at once, what is at work ends without a result."""
        return Job.of(self.connection.json("POST", f"jobs/{_id(job)}/cancel"))

    def retry(self, job: Job | str) -> Job:
        """Try again what failed or was cancelled in a job that has ended."""
        return Job.of(self.connection.json("POST", f"jobs/{_id(job)}/retry"))

    def clone(self, job: Job | str, *, name: str | None = None, priority: str = "normal", **changes: Any) -> Job:
        """Start a job over the images of another, with what is given of `model`, `threshold` and `scale` as its own."""
        key, body = {"Idempotency-Key": str(uuid.uuid4())}, {"name": name, "priority": priority} | changes
        return Job.of(self.connection.json("POST", f"jobs/{_id(job)}/clone", json=body, headers=key))

    def items(self, job: Job | str, *, state: str | None = None) -> Iterator[Item]:
        """Yield the images of a job (of one state), by number, a page at a time."""
        query: dict[str, Any] = {"limit": _PAGE_ITEMS} | ({"state": state} if state else {})
        while True:
            page = self.connection.json("GET", f"jobs/{_id(job)}/items", params=query)
            yield from map(Item.of, page["items"])
            if page["next"] is None:
                return
            query["after"] = page["next"]

    def results(self, job: Job | str) -> Iterator[Result]:
        """Yield the images of a job that have ended, by number, with their arrays; some are fetched ahead."""
        ended = (item for item in self.items(job) if item.state not in ("pending", "running"))
        with ThreadPoolExecutor(_FETCHED_AHEAD, thread_name_prefix="fetch") as pool:
            going = [pool.submit(self._result, item) for item in islice(ended, _FETCHED_AHEAD)]
            try:
                while going:
                    result = going.pop(0).result()
                    going += [pool.submit(self._result, item) for item in islice(ended, 1)]
                    yield result
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def file(self, item: Item, name: str) -> bytes:
        """Return a file of an image: `source`, `mask`, `probability` or `truth`; `item.files` says which there are."""
        return self.connection.bytes("GET", f"items/{item.id}/files/{name}")

    def download(self, job: Job | str, folder: str | Path, *, format: str = "results") -> Path:
        """Write a job's results into a folder, as far as they are there, and return it.

        Args:
            job: or its id.
            folder: is made where it is missing; files of the same names are replaced.
            format: one that the document lists, such as `results`.
        """
        target = Path(folder)
        with tempfile.TemporaryFile() as archive:
            with self.connection.stream(f"jobs/{_id(job)}/results.zip", params={"format": format}) as answer:
                for block in answer.iter_bytes():
                    archive.write(block)
            archive.seek(0)
            target.mkdir(parents=True, exist_ok=True)
            with zipfile.ZipFile(archive) as opened:
                opened.extractall(target)  # which leads nowhere else, whatever the names are
        return target

    def predict(
        self,
        image: Any,
        *,
        scale: float | str = 1.0,
        unfamiliar: str = "flag",
        channel: str = "auto",
        pixel_size: str | None = None,
        smooth: int = 0,
        fill_holes: bool = False,
        min_area: int = 0,
        keep_largest: bool = False,
        model: str | None = None,
        threshold: float | None = None,
    ) -> Result:
        """Segment one image, a path or an array as of `submit`, before all batches, and return its result.

        The options are those of `submit`.
        """
        if isinstance(image, str | Path):
            file = NamedFile(Path(image).name, Path(image).read_bytes())
        else:
            data, extension = encoded(image)
            file = NamedFile(f"image{extension}", data)
        asked = _asked(pixel_size=pixel_size, smooth=smooth, fill_holes=fill_holes)
        asked |= _asked(min_area=min_area, keep_largest=keep_largest, model=model, threshold=threshold)
        found = self.connection.json(
            "POST",
            "predict/json",
            files={"file": (file.path, file.data)},
            data={"scale": str(scale), "unfamiliar": unfamiliar, "channel": channel}
            | {name: str(value) for name, value in asked.items()},
            headers={"Idempotency-Key": str(uuid.uuid4())},
        )
        mask, probability = (b64decode(found[name]) for name in ("mask", "probability"))
        return Result(Item.of(found["item"]), mask_of(mask), probability_of(probability))

    def _result(self, item: Item) -> Result:
        mask = mask_of(self.file(item, "mask")) if "mask" in item.files else None
        probability = probability_of(self.file(item, "probability")) if "probability" in item.files else None
        return Result(item, mask, probability)

    def _missing(self, job: dict[str, Any], files: Iterable[NamedFile]) -> Iterator[NamedFile]:
        """The files that a submission that goes on has not sent yet; of equal size and time, where both are known."""
        if not job["counts"]["total"]:
            yield from files
            return
        for some in batches(files):
            asked = {"paths": [file.path for file in some]}
            known = self.connection.json("POST", f"jobs/{job['id']}/known", json=asked)["files"]
            for file in some:
                version = known.get(file.path)
                if version is None or (version["size"], version["modified"]) != (len(file.data), file.modified):
                    yield file


def _asked(**options: Any) -> dict[str, Any]:
    """Only what is asked for, so that an admin of before these options takes all other jobs."""
    return {name: value for name, value in options.items() if value != _DEFAULTS[name]}


def _with(file: NamedFile, described: Mapping[str, Mapping[str, str]] | None) -> NamedFile:
    return replace(file, described=described[file.path]) if described and file.path in described else file


def _id(job: Job | str) -> str:
    return job if isinstance(job, str) else job.id
