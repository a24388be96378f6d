"""Exports of objects: label images, COCO, ImageJ ROIs and tables; GeoJSON is in `geojson`.

All of them tell objects apart in one way (`shared.objects`), so that they hold the same ones, with the same numbers.
"""

import csv
import io
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from typing import TYPE_CHECKING, Any

from shared.errors import UsageError
from shared.flows.exports.export import Export, ExportFile, GatheredFile, NotExportable, Part, StoredFile
from shared.flows.exports.job_results import JobResults
from shared.flows.exports.per_image import file_of, mask_and_probability_of, mask_of, per_image
from shared.flows.exports.pictures import tiff
from shared.flows.exports.tables import parquet
from shared.formulas import guarded
from shared.jobs.records import Item

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from shared.objects.objects import Objects, OneObject

CATEGORY = "shape"
_MOST_16 = 2**16 - 1
_LAST_EDGE = 2**15 - 1  # of ImageJ's coordinates
_ROWS_AT_ONCE = 256
OBJECTS_CSV = "objects.csv"
OBJECTS_PARQUET = "objects.parquet"


def objects_of(png: bytes) -> "Objects":
    """Return the objects of a stored mask.

    Raises:
        ImageError: it is damaged.
        NotExportable: there are too many to be told apart.
    """
    from shared.images.codec import mask_bands
    from shared.objects.objects import Objects

    try:
        return Objects.of_bands(mask_bands(png))
    except UsageError as error:
        raise NotExportable(str(error)) from error


def measured_rows(item: Item, mask: bytes, probability: bytes) -> Iterator[dict[str, Any]]:
    """Return what is measured of each object of an item, one after the other, as `shared.objects.table` has it."""
    return rows_of(item, objects_of(mask), probability)


def rows_of(item: Item, objects: "Objects", probability: bytes) -> Iterator[dict[str, Any]]:
    """Return the same of objects that are known."""
    from shared.images.codec import level_bands
    from shared.objects.table import measured, rows

    return rows(measured(objects, level_bands(probability), item.pixel_size))


def _labels(item: Item, mask: bytes) -> bytes:
    found = objects_of(mask)
    if len(found) > _MOST_16:
        raise NotExportable(f"it has {len(found):,} objects, more than 16 bits can number: take the format labels-32")
    return tiff(_label_image(found, "uint16"), item)


def _labels_32(item: Item, mask: bytes) -> bytes:
    return tiff(_label_image(objects_of(mask), "uint32"), item)


def _label_image(objects: "Objects", dtype: str) -> "NDArray[Any]":
    import numpy as np

    image = np.empty((objects.runs.height, objects.runs.width), dtype)
    for top in range(0, len(image), _ROWS_AT_ONCE):
        rows = image[top : top + _ROWS_AT_ONCE]
        rows[:] = objects.labels(top, top + len(rows))
    return image


def _rois(item: Item, mask: bytes) -> bytes:
    """Return a zip of ROIs as ImageJ's ROI Manager opens it, one for each object."""
    if max(item.width or 0, item.height or 0) > _LAST_EDGE:
        sides = f"{item.width}×{item.height} px"
        raise NotExportable(f"{sides}: ImageJ's ROIs end at {_LAST_EDGE:,} px, take the format geojson or coco")
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for one in objects_of(mask):
            archive.writestr(zipfile.ZipInfo(f"{one.number:06}.roi"), _roi(one), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _roi(one: "OneObject") -> bytes:
    import numpy as np
    from roifile import ROI_TYPE, ImagejRoi

    from shared.objects.outlines import polygons_of

    box, rings = one.box, [ring for polygon in polygons_of(one) for ring in polygon.rings]
    roi = ImagejRoi()
    roi.name = f"{one.number:06}"
    roi.left, roi.top, roi.right, roi.bottom = box.left, box.top, box.left + box.width, box.top + box.height
    if len(rings) == 1:
        roi.roitype = ROI_TYPE.TRACED
        roi.integer_coordinates = np.array(rings[0], dtype=np.int32) - np.array([box.left, box.top], dtype=np.int32)
        roi.n_coordinates = len(rings[0])
        return bytes(roi.tobytes())
    # Holes and further parts make it a composite: a path of moves (0), lines (1) and closings (4).
    path: list[float] = []
    for ring in rings:
        for place, (x, y) in enumerate(ring):
            path += [min(place, 1), x, y]
        path.append(4)
    roi.roitype = ROI_TYPE.RECT
    roi.multi_coordinates = np.array(path, dtype=np.float32)
    roi.shape_roi_size = len(path)
    return bytes(roi.tobytes())


def _coco_lines(item: Item, outline: Callable[["OneObject"], Any], mask: bytes, probability: bytes) -> bytes:
    """Return the annotations of an item, one a line, as they stand behind their id."""
    from shared.images.codec import level_bands

    objects, lines = objects_of(mask), []
    areas, scores = objects.shapes.area, objects.likelihood(level_bands(probability)).confidence
    for one, area, score in zip(objects, areas.tolist(), scores.tolist(), strict=True):
        box = one.box
        annotation = {
            "image_id": item.number + 1,
            "category_id": 1,
            "segmentation": outline(one),
            "area": area,
            "bbox": [box.left, box.top, box.width, box.height],
            "iscrowd": 0,
            "score": round(score, 4),
        }
        lines.append(json.dumps(annotation, separators=(",", ":"))[1:])
    return "\n".join(lines).encode()


def _rle(one: "OneObject") -> dict[str, Any]:
    from shared.objects.rle import compressed, counts_of

    return {"size": [one.runs.height, one.runs.width], "counts": compressed(counts_of(one))}


def _coco_polygons(one: "OneObject") -> list[list[int]]:
    """Return the outline as COCO's polygons, which have no holes: the way to a hole and back is part of the ring."""
    from shared.objects.outlines import polygons_of

    rings = []
    for polygon in polygons_of(one):
        points = list(polygon.outer)
        for hole in polygon.holes:
            points += [polygon.outer[0], *hole, hole[0]]
        if polygon.holes:
            points.append(polygon.outer[0])
        rings.append([length for point in points for length in point])
    return rings


def _coco(name: str, label: str, description: str, outline: Callable[["OneObject"], Any]) -> Export:
    def convert(item: Item, mask: bytes, probability: bytes) -> bytes:
        return _coco_lines(item, outline, mask, probability)

    def files(results: JobResults) -> Iterator[ExportFile]:
        yield GatheredFile(f"{name}.json", lambda: _parts(results, convert), lambda parts: _framed_coco(results, parts))

    return Export(
        name, label, f"{name}.json, {description}", files, lambda job: job.counts.succeeded + 1, top=(f"{name}.json",)
    )


def _framed_coco(results: JobResults, parts: Iterable[Part]) -> Iterator[bytes]:
    """Yield the annotations first: images of which nothing could be read are in no list, not in one without objects."""
    head = {
        "info": {"description": results.job.name, "version": results.job.id},
        "licenses": [],
        "categories": [{"id": 1, "name": CATEGORY, "supercategory": ""}],
    }
    yield json.dumps(head)[:-1].encode() + b', "annotations": ['
    read: set[str] = set()
    count = 0
    for part, lines in parts:
        read.add(part.name)
        for line in lines.splitlines():
            count += 1
            yield (b",\n" if count > 1 else b"\n") + b'{"id":%d,' % count + line
    yield b'\n], "images": ['
    separator = b"\n"
    for item, _ in results.succeeded():
        if item.id in read:
            image = {"id": item.number + 1, "file_name": item.path, "width": item.width, "height": item.height}
            yield separator + json.dumps(image, separators=(",", ":")).encode()
            separator = b",\n"
    yield b"\n]}\n"


def _parts(results: JobResults, convert: Callable[..., bytes]) -> Iterator[StoredFile]:
    for item, _ in results.succeeded():
        yield file_of(item, item.id, mask_and_probability_of, convert)


def _json_rows(item: Item, mask: bytes, probability: bytes) -> bytes:
    rows = ({"path": item.path, **row} for row in measured_rows(item, mask, probability))
    return "\n".join(json.dumps(row) for row in rows).encode()


def _csv_rows(item: Item, mask: bytes, probability: bytes) -> bytes:
    from shared.objects.table import written

    text = io.StringIO(newline="")
    writer = csv.writer(text)
    for row in measured_rows(item, mask, probability):
        writer.writerow([guarded(item.path), *written(row).values()])
    return text.getvalue().encode()


def _objects_csv(results: JobResults) -> Iterator[ExportFile]:
    from shared.objects.table import OBJECT_COLUMNS

    header = ",".join(("path", *OBJECT_COLUMNS)).encode() + b"\r\n"

    def frame(parts: Iterable[Part]) -> Iterator[bytes]:
        yield header
        for _, lines in parts:
            yield lines

    yield GatheredFile(OBJECTS_CSV, lambda: _parts(results, _csv_rows), frame)


def object_schema() -> "pa.Schema":
    """Return the columns of objects.parquet with their types, which are those of objects.csv."""
    import pyarrow as pa

    from shared.objects.table import OBJECT_COLUMNS

    def kind(name: str) -> "pa.DataType":
        if name == "touches_border":
            return pa.bool_()
        return pa.int64() if OBJECT_COLUMNS[name].digits is None else pa.float64()

    return pa.schema([("path", pa.string()), *((name, kind(name)) for name in OBJECT_COLUMNS)])


def _objects_parquet(results: JobResults) -> Iterator[ExportFile]:
    def frame(parts: Iterable[Part]) -> Iterator[bytes]:
        return parquet(object_schema(), (json.loads(line) for _, lines in parts for line in lines.splitlines()))

    yield GatheredFile(OBJECTS_PARQUET, lambda: _parts(results, _json_rows), frame)


EXPORTS = (
    per_image(
        "labels", "Label images, 16 bits", "TIFF, each pixel the number of its object, 16 bits",
        ending=".tif", keys=mask_of, convert=_labels, needs=("tifffile",),
    ),
    per_image(
        "labels-32", "Label images, 32 bits", "the same with 32 bits, for over 65,535 objects",
        ending=".tif", keys=mask_of, convert=_labels_32, needs=("tifffile",),
    ),
    _coco("coco", "COCO", "each object as compressed run lengths", _rle),
    _coco("coco-polygons", "COCO, polygons", "each object as polygons along its pixels' edges", _coco_polygons),
    per_image(
        "imagej-roi", "ImageJ ROIs", "a zip for each image, a ROI for each object",
        ending=".zip", keys=mask_of, convert=_rois, needs=("roifile",),
    ),
    Export(
        "objects-csv", "Table of objects, CSV", f"{OBJECTS_CSV}, a row for each object",
        _objects_csv, lambda job: job.counts.succeeded + 1, top=(OBJECTS_CSV,),
    ),
    Export(
        "objects-parquet", "Table of objects, Parquet", f"{OBJECTS_PARQUET}, a row for each object",
        _objects_parquet, lambda job: job.counts.succeeded + 1, top=(OBJECTS_PARQUET,), needs=("pyarrow",),
    ),
)  # fmt: skip
