"""What is sent: folders, files and arrays as named files, in batches of a bounded size."""

import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from delineate_client.connection import Connection
from delineate_client.pictures import encoded

Images = str | Path | Iterable[str | Path] | Mapping[str, NDArray[np.generic] | bytes]

# The admin takes four large bodies of an account at a time.
_AT_ONCE = 3
_BATCH_FILES = 32
_BATCH_BYTES = 16 * 2**20
_FIRST = "first"  # page of each file
# Those that are read, as docs/files.md lists them; any other file can be named itself.
EXTENSIONS = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp"})


@dataclass(frozen=True)
class NamedFile:
    """A file under the relative path by which the job knows it."""

    path: str
    data: bytes
    modified: int | None = None  # nanoseconds since 1970
    described: Mapping[str, str] | None = None  # what else is known of it, which comes back with its result


def files_of(images: Images, *, recursive: bool) -> Iterator[NamedFile]:
    """Yield what is to be sent, one at a time, so that memory stays flat.

    Args:
        images: a folder, whose images by extension are taken; files; or arrays or encoded images by name.
        recursive: whether subfolders are gone into.

    Raises:
        ValueError: there is no image in it, or an array that cannot be one.
        OSError: a file cannot be read.
    """
    found = False
    for file in _all(images, recursive):
        found = True
        yield file
    if not found:
        raise ValueError("there is no image to submit")


def _all(images: Images, recursive: bool) -> Iterator[NamedFile]:
    if isinstance(images, Mapping):
        yield from (_named(name, value) for name, value in images.items())
        return
    for path in [images] if isinstance(images, str | Path) else images:
        path = Path(path)
        if path.is_dir():
            yield from (_read(file, file.relative_to(path).as_posix()) for file in _in_folder(path, recursive))
        else:
            yield _read(path, path.name)


def _in_folder(folder: Path, recursive: bool) -> list[Path]:
    listed = folder.rglob("*") if recursive else folder.glob("*")
    hidden = (file for file in listed if not any(part.startswith(".") for part in file.relative_to(folder).parts))
    return sorted(file for file in hidden if file.suffix.lower() in EXTENSIONS and file.is_file())


def _read(path: Path, name: str) -> NamedFile:
    return NamedFile(name, path.read_bytes(), path.stat().st_mtime_ns)


def _named(name: str, value: NDArray[np.generic] | bytes) -> NamedFile:
    if isinstance(value, bytes):
        return NamedFile(name, value)
    data, extension = encoded(value)
    return NamedFile(name if Path(name).suffix else name + extension, data)


def send_all(connection: Connection, job_id: str, files: Iterable[NamedFile], *, pages: str = _FIRST) -> None:
    """Add files, or pages of them, to a job, a few batches at a time; what it has already is not sent.

    Raises:
        ApiError: the API refuses some.
        ApiUnavailable: it stays away. The same call sends the rest.
    """
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="send") as pool:
        going: list[Future[Any]] = []
        try:
            for batch in batches(files):
                going.append(pool.submit(send, connection, job_id, batch, pages=pages))
                if len(going) >= _AT_ONCE:
                    going.pop(0).result()
            for one in going:
                one.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def send(
    connection: Connection,
    job_id: str,
    files: Iterable[NamedFile],
    *,
    failed: Iterable[Mapping[str, str]] = (),
    replace: Iterable[str] = (),
    described: Mapping[str, Mapping[str, str]] | None = None,
    pages: str = _FIRST,
) -> dict[str, int]:
    """Add one batch to a job, and return what became of it. Sent again it changes nothing.

    Args:
        connection: to the API.
        job_id: of the job.
        files: of the batch.
        failed: files that could not be read: `path`, `code` and `error` of each.
        replace: paths whose files take the place of another content.
        described: what is known of those that failed, by path; files have it with them.
        pages: of each TIFF, which are images of their own.
    """
    sent = list(files)
    details = {
        "paths": [file.path for file in sent],
        "modified": {file.path: file.modified for file in sent if file.modified is not None},
        "failed": list(failed),
        "replace": list(replace),
    }
    known = dict(described or {}) | {file.path: file.described for file in sent if file.described}
    if known:
        details["described"] = known
    # The names of a form are for nobody: the paths are in the details.
    parts: list[Any] = [("images", (f"{n}", file.data, "application/octet-stream")) for n, file in enumerate(sent)]
    # As a part of the form, so that it is one without a file too.
    parts.append(("details", (None, json.dumps(details))))
    if pages != _FIRST:
        parts.append(("pages", (None, pages)))
    answer: dict[str, int] = connection.json("POST", f"jobs/{job_id}/images", files=parts)
    return answer


def add_objects(connection: Connection, job_id: str, address: str, *, recursive: bool) -> None:
    """Add what lies in a bucket to a job, a page of its listing at a time; nothing is copied.

    Raises:
        ApiError: the API may not read it.
        ApiUnavailable: it stays away. The same call goes on.
    """
    body: dict[str, Any] = {"address": address, "recursive": recursive}
    while True:
        page = connection.json("POST", f"jobs/{job_id}/objects", json=body)
        if page["next"] is None:
            return
        body["after"] = page["next"]


def batches(files: Iterable[NamedFile]) -> Iterator[list[NamedFile]]:
    """Yield files in batches of a bounded size; of a larger one alone."""
    batch: list[NamedFile] = []
    size = 0
    for file in files:
        if batch and (len(batch) == _BATCH_FILES or size + len(file.data) > _BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(file)
        size += len(file.data)
    if batch:
        yield batch
