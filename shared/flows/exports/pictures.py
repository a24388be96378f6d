"""Exports of pictures: masks, probabilities and overlays in one format each.

A stored probability is a level of 0 to 255; what has more digits writes the same numbers (level / 255) more finely.
"""

from collections.abc import Iterator
from functools import partial
from io import BytesIO
from typing import Any
from uuid import UUID, uuid5

from shared.flows.exports.export import Export, ExportFile
from shared.flows.exports.job_results import JobResults
from shared.flows.exports.masks import mask_levels, mask_png
from shared.flows.exports.per_image import (
    file_of,
    mask_and_probability_of,
    mask_and_source_of,
    mask_of,
    per_image,
    probability_of,
)
from shared.jobs.records import Item

_TIFF_PIXELS_A_STRIP = 2**18
_GDAL_NODATA = 42113


def _png_mask(_item: Item, png: bytes) -> bytes:
    return mask_png(png)


def _tiff_mask(item: Item, png: bytes) -> bytes:
    return tiff(mask_levels(png), item)


def _png_8(_item: Item, png: bytes) -> bytes:
    return png


def _png_16(_item: Item, png: bytes) -> bytes:
    from shared.images.codec import decode_levels, encode_grey_16

    # 65,535 / 255: every level has its exact place.
    return encode_grey_16(decode_levels(png).astype("uint16") * 257)


def _tiff_float(item: Item, png: bytes) -> bytes:
    from shared.images.codec import decode_probability

    return tiff(decode_probability(png), item)


def _npy(_item: Item, png: bytes) -> bytes:
    import numpy as np

    from shared.images.codec import decode_probability

    buffer = BytesIO()
    np.save(buffer, decode_probability(png), allow_pickle=False)
    return buffer.getvalue()


def _overlay(channel: str, _item: Item, mask: bytes, source: bytes) -> bytes:
    from shared.flows.exports.drawing import overlay_png

    return overlay_png(mask, source, channel)


def _ome_tiff(item: Item, mask: bytes, probability: bytes) -> bytes:
    import numpy as np
    import tifffile

    from shared.images.codec import decode_levels

    planes = np.stack([mask_levels(mask), decode_levels(probability)])
    size = item.pixel_size
    physical = {} if size is None else {
        "PhysicalSizeX": size.x, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": size.y, "PhysicalSizeYUnit": "µm",
    }  # fmt: skip
    buffer = BytesIO()
    tifffile.imwrite(
        buffer, planes, ome=True, photometric="minisblack", compression="zlib", predictor=True, software="delineate",
        metadata={  # the name is of the result: the same however often it is made
            "axes": "CYX", "Name": item.path, "Channel": {"Name": ["mask", "probability"]}, **physical,
            "UUID": str(uuid5(UUID(item.id), str(item.finished_at))),
        },
        **resolution(item),
    )  # fmt: skip
    return buffer.getvalue()


def tiff(pixels: Any, item: Item, *, has_holes: bool = False) -> bytes:
    """Return a TIFF of H×W pixels, deflated, with their size where the item has one; holes are pixels that are NaN."""
    import tifffile

    buffer = BytesIO()
    rows = max(1, _TIFF_PIXELS_A_STRIP // pixels.shape[1])
    tifffile.imwrite(
        buffer, pixels, photometric="minisblack", compression="zlib", predictor=pixels.dtype.kind != "f",
        rowsperstrip=min(rows, pixels.shape[0]), metadata=None, software="delineate",
        extratags=[(_GDAL_NODATA, "s", 0, "nan", True)] if has_holes else [], **resolution(item),
    )  # fmt: skip
    return buffer.getvalue()


def resolution(item: Item) -> dict[str, Any]:
    """Return how a TIFF tells the size of pixels: their number per centimetre; nothing where it is not known."""
    size = item.pixel_size
    if size is None:
        return {}
    return {"resolution": (10_000.0 / size.x, 10_000.0 / size.y), "resolutionunit": "CENTIMETER"}  # from µm


def _overlays(results: JobResults) -> Iterator[ExportFile]:
    for item, name in results.succeeded():
        yield file_of(item, f"overlays/{name}", mask_and_source_of, partial(_overlay, results.job.channel))


EXPORTS = (
    per_image("masks", "Masks, PNG", "PNG, 0 and 255 at 8 bits", ending=".png", keys=mask_of, convert=_png_mask),
    per_image(
        "masks-tiff", "Masks, TIFF", "TIFF, 0 and 255 at 8 bits",
        ending=".tif", keys=mask_of, convert=_tiff_mask, needs=("tifffile",),
    ),
    per_image(
        "probabilities", "Probabilities, PNG of 8 bits", "PNG, 255 for probability 1",
        ending=".png", keys=probability_of, convert=_png_8,
    ),
    per_image(
        "probabilities-16", "Probabilities, PNG of 16 bits", "PNG, 65,535 for probability 1",
        ending=".png", keys=probability_of, convert=_png_16,
    ),
    per_image(
        "probabilities-tiff", "Probabilities, TIFF", "TIFF, 32-bit floats from 0 to 1",
        ending=".tif", keys=probability_of, convert=_tiff_float, needs=("tifffile",),
    ),
    per_image(
        "probabilities-npy", "Probabilities, NumPy", ".npy, 32-bit floats from 0 to 1",
        ending=".npy", keys=probability_of, convert=_npy,
    ),
    per_image(
        "ome-tiff", "OME-TIFF", "OME-TIFF, mask and probability as channels of 8 bits, with the pixels' size",
        ending=".ome.tif", keys=mask_and_probability_of, convert=_ome_tiff, needs=("tifffile",),
    ),
    Export(
        "overlays", "Overlays", "overlays/: PNG, the mask's outline over the picture",
        _overlays, lambda job: job.counts.succeeded, top=("overlays",), needs=("tifffile", "imagecodecs"),
    ),
)  # fmt: skip
