"""Exports of one file for each item: a folder, an ending, and how its bytes are made."""

from collections.abc import Callable, Iterator
from threading import Lock

from shared.flows.exports.export import Export, ExportFile, NotExportable, StoredFile
from shared.flows.exports.job_results import JobResults
from shared.jobs.records import Item

# A larger one is converted while no other large one is: its pixels alone may take gigabytes.
_LARGE_PIXELS = 4096**2
_one_large = Lock()

Keys = Callable[[Item], tuple[str | None, ...]]
Convert = Callable[..., bytes]


def per_image(
    name: str, label: str, description: str, *, ending: str, keys: Keys, convert: Convert, needs: tuple[str, ...] = ()
) -> Export:
    """Return the export that makes a file of each item that has a result.

    Args:
        name: of the export, and of the folder in it.
        label: as `Export` has it.
        description: likewise, behind the folder's name.
        ending: of its files, with the dot.
        keys: gives the objects that a file is made of; None among them: the item does not have it.
        convert: takes the item and the bytes of these objects; `NotExportable` where the format cannot hold them.
        needs: as `Export` has it.
    """

    def files(results: JobResults) -> Iterator[ExportFile]:
        for item, output_name in results.succeeded(ending):
            yield file_of(item, f"{name}/{output_name}", keys, convert)

    return Export(
        name, label, f"{name}/: {description}", files, lambda job: job.counts.succeeded, top=(name,), needs=needs
    )


def file_of(item: Item, file_name: str, keys: Keys, convert: Convert) -> StoredFile:
    """Return the file (or part) of an item."""
    wanted = keys(item)
    present = tuple(key for key in wanted if key is not None)

    def made(*objects: bytes) -> bytes:
        if len(present) < len(wanted):
            raise NotExportable("its source is not stored any more, and this is made of it")
        if (item.width or 0) * (item.height or 0) <= _LARGE_PIXELS:
            return convert(item, *objects)
        with _one_large:
            return convert(item, *objects)

    first, *more = present
    return StoredFile(file_name, first, item.finished_at or 0.0, made, path=item.path, more=tuple(more))


def mask_of(item: Item) -> tuple[str | None, ...]:
    """Return the key of an item's mask."""
    return (item.mask_key,)


def probability_of(item: Item) -> tuple[str | None, ...]:
    """Return the key of an item's probability map."""
    return (item.probability_key,)


def source_of(item: Item) -> tuple[str | None, ...]:
    """Return the key of an item's source, which may be gone."""
    return (item.source_key,)


def mask_and_probability_of(item: Item) -> tuple[str | None, ...]:
    """Return the keys of an item's mask and of its probability map."""
    return (item.mask_key, item.probability_key)


def mask_and_source_of(item: Item) -> tuple[str | None, ...]:
    """Return the keys of an item's mask and of its source, which may be gone."""
    return (item.mask_key, item.source_key)
