"""Corrected masks on their way in: read, held to the rule of masks, and stored beside the one that the model made."""

import numpy as np
from numpy.typing import NDArray
from werkzeug.datastructures import FileStorage

from admin.web.context import decoders, reviews, services
from shared.db.tables.base import new_id
from shared.errors import ImageError, UsageError
from shared.images.codec import encode_mask
from shared.images.decoded import DecodedImage
from shared.jobs.records import Item
from shared.store import keys


class CorrectionRefused(UsageError):
    """What was sent is no mask of this image; the message says what to do."""


def read_correction(item: Item, file: FileStorage) -> NDArray[np.bool_]:
    """Read a corrected mask of an item, in the process that reads strangers' images.

    Raises:
        CorrectionRefused: it is no image, of another size, or no mask.
    """
    limit = services().settings.max_source_bytes
    data = file.stream.read(limit + 1)
    if len(data) > limit:
        raise CorrectionRefused(f"the file is larger than {limit:,} bytes: save the mask as a PNG of 1 or 8 bits")
    try:
        image = decoders().decode(data)
    except ImageError as error:
        raise CorrectionRefused(f"that cannot be read as a mask: {error}") from error
    return mask_of(image, width=item.width or 0, height=item.height or 0)


def mask_of(image: DecodedImage, *, width: int, height: int) -> NDArray[np.bool_]:
    """Return a mask (H, W) of an image of two values, the higher of which is inside, or of one: 0 for nothing.

    Raises:
        CorrectionRefused: it has another size, more values, or pixels that are transparent or without data.
    """
    found_height, found_width = image.pixels.shape
    if (found_width, found_height) != (width, height):
        raise CorrectionRefused(
            f"the mask is {found_width}×{found_height} px and its image {width}×{height} px: both have one size"
        )
    if image.is_transparent or image.has_holes:
        raise CorrectionRefused("the mask has pixels without a value: save it without transparency, black and white")
    low, high = image.pixels.min(), image.pixels.max()
    inside = image.pixels == high
    if not bool((inside | (image.pixels == low)).all()):
        count = np.unique(image.pixels).size
        raise CorrectionRefused(f"the mask has {count:,} values where it may have two: save it black and white, as PNG")
    return np.full(inside.shape, high > 0) if low == high else inside


def keep_correction(item: Item, mask: NDArray[np.bool_], *, by: str) -> None:
    """Store a corrected mask and enter it into the item's history.

    Raises:
        IllegalTransition: the item has no result any more.
        Retryable: the store or the database does not answer; nothing is entered then.
    """
    key, data = keys.correction(item.job_id, item.id, new_id()), encode_mask(mask)
    services().store.put(key, data)
    reviews().correct(item.job_id, item.id, key, by=by)
    # Somebody who tidied up in between may have taken it for a leftover; now that it is named nobody does.
    if not services().store.exists(key):
        services().store.put(key, data)
