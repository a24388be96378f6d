"""Truths that were submitted with their images: read, and refused where they do not lie on them."""

from collections.abc import Iterator

import numpy as np

from shared.errors import ImageError, ItemError, ItemErrorCode
from shared.images import scratch
from shared.images.codec import decode_mask
from shared.images.decoded import DecodeLimits
from shared.images.large import PixelFile, decode_to_file
from shared.images.metrics import Mask
from shared.images.notes import NoteCode, note_codes


def read_truth(data: bytes, shape: tuple[int, int], note: str | None) -> Mask:
    """Return the truth of an image of this shape (H, W), which was read with this note.

    Raises:
        ItemError: it does not lie on the image, or is damaged.
    """
    try:
        truth = decode_mask(data)
    except ImageError as error:
        raise _damaged(error) from error
    _check_fits((truth.shape[0], truth.shape[1]), shape, note)
    return truth


def truth_in_file(
    data: bytes, shape: tuple[int, int], note: str | None, *, limits: DecodeLimits, seconds: float
) -> PixelFile:
    """Return the truth of a large image in a file on disk, nonzero in the foreground, to be closed.

    Raises:
        ItemError: it does not lie on the image, or is damaged.
    """
    try:
        truth = _in_file(data, limits, seconds)
    except ImageError as error:
        raise _damaged(error) from error
    try:
        _check_fits((truth.height, truth.width), shape, note)
    except ItemError:
        with truth:
            raise
    return truth


def parts_of(mask_png: bytes, truth: PixelFile, *, limits: DecodeLimits, seconds: float) -> Iterator[tuple[Mask, Mask]]:
    """Yield a large mask and its truth, some rows of both at a time."""
    with _in_file(mask_png, limits, seconds) as mask:
        row = 0
        for band in mask.bands():
            yield band > 0, np.asarray(truth.window(row, 0, *band.shape)) > 0
            row += len(band)


def _in_file(data: bytes, limits: DecodeLimits, seconds: float) -> PixelFile:
    def source(descriptor: int) -> int:
        scratch.write(descriptor, data)
        return len(data)

    return decode_to_file(source, limits=limits, seconds=seconds)[0]


def _check_fits(truth: tuple[int, int], image: tuple[int, int], note: str | None) -> None:
    if truth != image:
        sizes = f"is {truth[1]}×{truth[0]} px, the image {image[1]}×{image[0]} px"
        raise ItemError(ItemErrorCode.BAD_TRUTH, f"its truth {sizes}: a mask of the image's size is needed")
    if NoteCode.ORIENTATION in note_codes(note):
        raise ItemError(
            ItemErrorCode.BAD_TRUTH,
            "the image is shown turned (EXIF), and nothing tells whether its truth is: save both as they are shown",
        )


def _damaged(error: ImageError) -> ItemError:
    return ItemError(ItemErrorCode.BAD_TRUTH, f"its stored truth cannot be read: {error}")
