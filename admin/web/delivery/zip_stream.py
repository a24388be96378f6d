"""An export as one zip, made while it is sent: no file on disk, a few images in memory."""

import io
import zipfile
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from shared.bounded_map import bounded_map
from shared.flows.exports.export import ExportFile, StoredFile, WrittenFile
from shared.store import ObjectStore

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

MISSING_TXT = "missing.txt"

_FETCHES_AT_ONCE = 4
_FETCHES_AHEAD = 8
_BLOCK_BYTES = 2**18
# What zip knows: none before and, of two bytes for a date, none after.
_FIRST_TIME = datetime(1980, 1, 1, tzinfo=UTC).timestamp()
_LAST_TIME = datetime(2107, 12, 31, 23, 59, 58, tzinfo=UTC).timestamp()


def zip_stream(files: Iterable[ExportFile], store: ObjectStore, *, modified: float) -> Generator[bytes, None, None]:
    """Yield the zip; closed on the way, it stops fetching.

    Objects that the store has lost are named in MISSING_TXT, the last file. Where the store goes away, its error ends
    the stream before the zip's directory, so that nobody takes half a zip for a whole one.

    Args:
        files: fetched a few ahead, in threads; taken in the caller's.
        store: where the stored ones are.
        modified: the time of what is made while it is written, in Unix seconds.
    """
    sink = _Sink()
    missing = []
    with (
        ThreadPoolExecutor(_FETCHES_AT_ONCE, thread_name_prefix="zip") as pool,
        closing(bounded_map(lambda file: _fetched(file, store), files, pool, ahead=_FETCHES_AHEAD)) as fetched,
        zipfile.ZipFile(sink, "w") as archive,
    ):
        for file, data in fetched:
            if isinstance(file, WrittenFile):
                yield from _written(archive, sink, file.name, file.blocks(), modified)
            elif data is None:
                missing.append(file.name)
            else:
                # Stored as they are: PNGs are compressed already.
                archive.writestr(_info(file.name, file.modified), data)
                yield sink.taken()
        if missing:
            lines = (f"{name}\n".encode() for name in missing)
            yield from _written(archive, sink, MISSING_TXT, lines, modified)
    yield sink.taken()


def _fetched(file: ExportFile, store: ObjectStore) -> tuple[ExportFile, bytes | None]:
    return file, file.read(store) if isinstance(file, StoredFile) else None


def _written(
    archive: zipfile.ZipFile, sink: "_Sink", name: str, blocks: Iterable[bytes], modified: float
) -> Iterator[bytes]:
    info = _info(name, modified)
    info.compress_type = zipfile.ZIP_DEFLATED
    # How large it will be is not known.
    with archive.open(info, "w", force_zip64=True) as entry:
        for block in blocks:
            entry.write(block)
            if sink.size >= _BLOCK_BYTES:
                yield sink.taken()


def _info(name: str, modified: float) -> zipfile.ZipInfo:
    told = min(max(modified, _FIRST_TIME), _LAST_TIME)
    return zipfile.ZipInfo(name, datetime.fromtimestamp(told, UTC).timetuple()[:6])


class _Sink(io.RawIOBase):
    """A file that can only be written, which makes zipfile write without going back, and emptied."""

    def __init__(self) -> None:
        super().__init__()
        self._blocks: list[bytes] = []
        self.size = 0  # bytes

    def write(self, data: "ReadableBuffer", /) -> int:
        self._blocks.append(block := bytes(data))
        self.size += len(block)
        return len(block)

    def taken(self) -> bytes:
        """Return what was written since the last time."""
        blocks, self._blocks, self.size = self._blocks, [], 0
        return b"".join(blocks)
