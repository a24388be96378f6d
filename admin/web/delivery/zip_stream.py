"""An export as one zip, made while it is sent: no file on disk, a few images in memory."""

import zipfile
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime

from shared.bounded_map import bounded_map
from shared.flows.exports.byte_sink import ByteSink
from shared.flows.exports.export import ExportFile, GatheredFile, Lack, Part, StoredFile, WrittenFile, part_lacks
from shared.store import ObjectStore

_FETCHES_AT_ONCE = 4
_FETCHES_AHEAD = 8
_BLOCK_BYTES = 2**18
_MOST_NAME_BYTES = 2**16 - 1
# What zip knows: none before and, of two bytes for a date, none after.
_FIRST_TIME = datetime(1980, 1, 1, tzinfo=UTC).timestamp()
_LAST_TIME = datetime(2107, 12, 31, 23, 59, 58, tzinfo=UTC).timestamp()


def zip_stream(
    files: Iterable[ExportFile], store: ObjectStore, *, modified: float, lacks: Callable[[Lack], None]
) -> Generator[bytes, None, None]:
    """Yield the zip; closed on the way, it stops fetching.

    Where the store goes away, its error ends the stream before the zip's directory, so that nobody takes half a zip for
    a whole one.

    Args:
        files: fetched a few ahead, in threads; taken in the caller's.
        store: where the stored ones are.
        modified: the time of what is made while it is written, in Unix seconds.
        lacks: is told what the zip goes without, before the next file is taken.
    """
    sink = ByteSink()
    with (
        ThreadPoolExecutor(_FETCHES_AT_ONCE, thread_name_prefix="zip") as pool,
        closing(bounded_map(lambda file: _fetched(file, store), files, pool, ahead=_FETCHES_AHEAD)) as fetched,
        zipfile.ZipFile(sink, "w") as archive,
    ):
        for file, data in fetched:
            if isinstance(file, WrittenFile):
                yield from _written(archive, sink, file.name, file.blocks(), modified)
                for lack in file.lacking:
                    lacks(lack)
            elif isinstance(file, GatheredFile):
                with closing(
                    bounded_map(lambda part: (part, part.read(store)), file.parts(), pool, ahead=_FETCHES_AHEAD)
                ) as parts:
                    yield from _written(archive, sink, file.name, file.frame(_present(parts, lacks)), modified)
            elif isinstance(data, bytes):
                # Stored as they are: PNGs are compressed already.
                archive.writestr(_info(file.name, file.modified), data)
                yield sink.taken()
            elif data is not None:
                lacks(data)
    yield sink.taken()


def _fetched(file: ExportFile, store: ObjectStore) -> tuple[ExportFile, bytes | Lack | None]:
    if not isinstance(file, StoredFile):
        return file, None
    if len(file.name.encode()) > _MOST_NAME_BYTES:
        return file, file.lack(
            f"its name has over {_MOST_NAME_BYTES:,} bytes, more than a zip holds: export to a folder"
        )
    return file, file.read(store)


def _present(parts: Iterable[tuple[StoredFile, bytes | Lack]], lacks: Callable[[Lack], None]) -> Iterator[Part]:
    for part, data in parts:
        if isinstance(data, bytes):
            yield part, data
        else:
            lacks(part_lacks(data))


def _written(
    archive: zipfile.ZipFile, sink: ByteSink, name: str, blocks: Iterable[bytes], modified: float
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
