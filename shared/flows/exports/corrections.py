"""The export `corrections`: what reviewers accepted or corrected, as pairs in the layout that training reads.

images/{name}{extension}   the source as it was submitted, or of it what the worker saw, see `seen`
masks/{name}.png           the corrected mask, or the model's where it was accepted as it is; 0 and 255
pairs.csv                  one row for each pair: what it was called, who said so and when, and the scale at which the
                           network saw it, which the files do not have; the last file

All lie side by side in one folder: `a/b.png` is called `a__b`.
"""

import csv
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from io import StringIO
from typing import NamedTuple

from shared.flows.exports.export import Export, ExportFile, StoredFile, WrittenFile
from shared.flows.exports.job_results import JobResults
from shared.flows.exports.masks import mask_png
from shared.flows.exports.per_image import file_of, source_of
from shared.flows.exports.seen import SeenPicture
from shared.formulas import guarded
from shared.images.scale import scale_in
from shared.jobs.records import Item
from shared.portable import folded, portable_name

PAIRS_CSV = "pairs.csv"
_COLUMNS = ("name", "path", "mask", "reviewer", "given_at", "model", "scale")
_ID_DIGITS = 12  # of an item's id, behind a name that another pair has already


class _Pair(NamedTuple):
    item: Item
    name: str  # of both files, without the extension

    @property
    def modified(self) -> float:
        review = self.item.review
        return max(review.graded_at or 0.0, review.corrected_at or 0.0)


def _pairs(results: JobResults) -> Iterator[_Pair]:
    taken = set()
    for item, output_name in results.teaching():
        if item.source_key is None or item.mask_key is None:
            continue
        name = output_name.removesuffix(".png").replace("/", "__")
        if folded(name) in taken:
            name = f"{name}~{item.id[-_ID_DIGITS:]}"
        name = portable_name(name, ending=".tiff").removesuffix(".tiff")
        taken.add(folded(name))
        yield _Pair(item, name)


def _files(results: JobResults) -> Iterator[ExportFile]:
    pairs = []
    for pair in _pairs(results):
        item, name = pair
        yield _image(pair, SeenPicture(item, results.job.channel))
        mask = item.review.correction_key or item.mask_key or ""
        yield StoredFile(f"masks/{name}.png", mask, pair.modified, mask_png, path=item.path)
        pairs.append(pair)
    yield WrittenFile(PAIRS_CSV, lambda: _table(pairs))


def _image(pair: _Pair, picture: SeenPicture) -> StoredFile:
    def made(_item: Item, source: bytes) -> bytes:
        return picture.made_of(source)

    return file_of(pair.item, f"images/{pair.name}{picture.extension}", source_of, made)


def _table(pairs: Iterable[_Pair]) -> Iterator[bytes]:
    yield _line(_COLUMNS)
    for item, name in pairs:
        review = item.review
        corrected = review.correction_key is not None
        by, at = (review.corrected_by, review.corrected_at) if corrected else (review.graded_by, review.graded_at)
        moment = "" if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
        kind = "corrected" if corrected else "accepted"
        scale = f"{scale_in(item.preprocessing):g}"
        yield _line((name, guarded(item.path), kind, guarded(by or ""), moment, item.model or "", scale))


def _line(values: Iterable[str]) -> bytes:
    buffer = StringIO()
    csv.writer(buffer).writerow(values)
    return buffer.getvalue().encode()


EXPORT = Export(
    name="corrections",
    label="Pairs to train on",
    description="images/ and masks/ of what reviewers accepted or corrected, and pairs.csv",
    files=_files,
    count=lambda job: 2 * job.counts.succeeded + 1,
    top=("images", "masks", PAIRS_CSV),
)
