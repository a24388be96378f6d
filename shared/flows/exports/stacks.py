"""The export `mask-stacks`: for each stack whose pages were images of their own, one TIFF with a mask for each page.

Page k of the masks lies over the k-th of the pages that were submitted. One that has no mask is there as an empty page
whose description says why, so that the others keep their places.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

from shared.errors import ImageError
from shared.flows.exports.export import Export, ExportFile, Lack, StoredFile, WrittenFile
from shared.flows.exports.job_results import JobResults
from shared.flows.exports.masks import mask_levels
from shared.flows.exports.names import output_names
from shared.flows.pages import page_of
from shared.jobs.records import Item, Job
from shared.store import ObjectStore

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_BLOCK_BYTES = 2**20
_TOP = "mask-stacks"


@dataclass(frozen=True)
class _Page:
    number: int
    path: str
    mask_key: str | None
    shape: tuple[int, int] | None  # height and width
    told: str  # why there is no mask

    @classmethod
    def of(cls, item: Item, number: int) -> "_Page":
        shape = (item.height, item.width) if item.height and item.width else None
        return cls(number, item.path, item.mask_key, shape, item.error or f"no mask: {item.state.value}")


def _files(results: JobResults) -> Iterator[ExportFile]:
    stacks: dict[str, list[_Page]] = defaultdict(list)
    for item in results.items():
        if page := page_of(item.path):
            stacks[page[0]].append(_Page.of(item, page[1]))
    names = output_names(stacks, ".tif")
    for stack, pages in stacks.items():
        if any(page.mask_key for page in pages):
            ordered = sorted(pages, key=lambda page: page.number)
            lacking: list[Lack] = []
            blocks = partial(_written, results.store, ordered, lacking)
            yield WrittenFile(f"{_TOP}/{names[stack]}", blocks, lacking)


def _written(store: ObjectStore, pages: list[_Page], lacking: list[Lack]) -> Iterable[bytes]:
    """Yield a TIFF of the masks, 0 and 255, made in a file: memory holds one page. What is lost goes into `lacking`."""
    import numpy as np
    import tifffile

    shape = next(page.shape for page in pages if page.shape)
    with NamedTemporaryFile() as file:
        is_big = sum(page.shape[0] * page.shape[1] for page in pages if page.shape) > 2**31
        with tifffile.TiffWriter(file, bigtiff=is_big) as writer:
            for page in pages:
                shape = page.shape or shape
                mask = _mask(store, page)
                if isinstance(mask, Lack):
                    lacking += [mask] if page.mask_key else []  # one without a result is told as such
                    told = f": {mask.reason}"
                else:
                    told = ""
                writer.write(
                    np.zeros(shape, np.uint8) if isinstance(mask, Lack) else mask,
                    photometric="minisblack",
                    compression="zlib",
                    description=f"{page.path}{told}".encode("ascii", "backslashreplace").decode(),
                    metadata=None,
                    software="delineate",
                )
        file.seek(0)
        while block := file.read(_BLOCK_BYTES):
            yield block


def _mask(store: ObjectStore, page: _Page) -> "NDArray[np.uint8] | Lack":
    """Return the mask of a page, or what is to be said where there is none."""
    if page.mask_key is None:
        return Lack(page.path, "", page.told)
    stored = StoredFile("", page.mask_key, modified=0.0, path=page.path).read(store)
    if isinstance(stored, Lack):
        return stored
    try:
        return mask_levels(stored)
    except ImageError as error:
        return Lack(page.path, "", str(error))


def _count(job: Job) -> int:
    return max(job.counts.total, 1)


EXPORTS = (
    Export(
        "mask-stacks",
        "Masks as stacks, TIFF",
        f"{_TOP}/: of each stack submitted by pages one TIFF of masks, page by page",
        _files,
        _count,
        top=(_TOP,),
        needs=("tifffile",),
    ),
)
