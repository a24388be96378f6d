"""What a file of a mask holds, before anybody decides what of it is foreground: values, palette indices or colours."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shared.errors import ImageError, UsageError
from shared.images.channel_choice import AUTO
from shared.images.codec import DecodeLimits, decode
from shared.images.decoded import DecodedImage
from shared.images.formats import identify
from shared.images.notes import NoteCode, note_codes

LIMITS = DecodeLimits(min_side=16, max_side=16384)
Kind = Literal["value", "lossy", "index", "colour"]
_PALETTE = 3  # TIFF's PhotometricInterpretation


@dataclass(frozen=True, eq=False)
class RawMask:
    """The samples of a mask's file.

    Of a picture in colours each sample is a colour, 0xRRGGBB; of a palette it is the index. Colours that are all greys
    are values, however they are stored. Values in JPEG are a kind of their own: beside edges they are not exact.
    """

    samples: NDArray[Any]  # H×W
    kind: Kind
    colours: dict[int, int]  # of a palette: its indices in use, with their colours
    alpha: NDArray[np.uint8] | None = None  # H×W, where it is not the same everywhere
    orientation: str = ""  # what EXIF wants done, as it is noted; "" for nothing


def read_mask(paths: Sequence[Path]) -> RawMask:
    """Read a mask; of a file for each object, what lies in any of them.

    Raises:
        UsageError: a file cannot be used; one line that begins with its path.
    """
    if len(paths) == 1:
        return _read(paths[0])
    objects = [_read(path) for path in paths]
    for path, each in zip(paths, objects, strict=True):
        if each.samples.shape != objects[0].samples.shape:
            raise UsageError(f"{path} differs in size from the other objects of its image")
    together = np.maximum.reduce([_marked(each) for each in objects]).astype(np.uint8)
    return replace(objects[0], samples=together, kind="value", colours={})


def checked_decode(path: Path, data: bytes, channel: str = AUTO) -> DecodedImage:
    """Decode the bytes of a file as the worker does, and refuse what it would only note.

    `channel` is what of its channels is taken, see `shared.images.channel_choice`.

    Raises:
        UsageError: it is no image, of several pages, or has no data in places.
    """
    try:
        decoded = decode(data, limits=LIMITS, channel=channel)
    except ImageError as error:
        raise UsageError(f"{path} cannot be used: {error}") from error
    if NoteCode.PAGES in note_codes(decoded.note):
        raise UsageError(f"{path} has several pages: save each of them as a file of its own")
    if decoded.has_holes:
        raise UsageError(f"{path} has pixels without data: fill them in, or leave it out")
    return decoded


def read_array(path: Path) -> NDArray[Any]:
    """Read an .npy file of H×W numbers.

    Raises:
        UsageError: it is none, or some of its numbers are not finite.
    """
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UsageError(f"{path} cannot be used: it is no array that numpy.save has written") from error
    array = np.squeeze(array)
    if array.ndim != 2 or array.dtype.kind not in "buif":
        raise UsageError(f"{path} holds {array.dtype} of shape {array.shape}: save rows × columns of numbers")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise UsageError(f"{path} holds NaN or infinite numbers: fill them in, or leave it out")
    numbers: NDArray[Any] = array.astype(np.uint8) if array.dtype == np.bool_ else array
    return numbers


def orientation_of(decoded: DecodedImage) -> str:
    """Return the note on how a file is to be turned; "" where it is as stored."""
    parts = (decoded.note or "").split("; ")
    return next((part for part in parts if note_codes(part) == (NoteCode.ORIENTATION,)), "")


def _read(path: Path) -> RawMask:
    if path.suffix.lower() == ".npy":
        return RawMask(read_array(path), "value", {})
    data = bytes_of(path)
    if identify(data) == "GIF":
        return _from_pillow(path, data)
    decoded = checked_decode(path, data)
    if decoded.mode == "grey":
        mask = RawMask(decoded.pixels, "value", {})
    else:
        mask = (_from_tiff if decoded.format == "TIFF" else _from_pillow)(path, data)
    kind = "lossy" if decoded.format == "JPEG" and mask.kind == "value" else mask.kind
    return replace(mask, kind=kind, orientation=orientation_of(decoded))


def _marked(mask: RawMask) -> NDArray[np.bool_]:
    """Return where the mask of one object is."""
    marked: NDArray[np.bool_] = mask.samples > (mask.samples.max() / 2 if mask.kind == "lossy" else 0)
    return marked


def bytes_of(path: Path) -> bytes:
    """Read a file.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error


def _from_pillow(path: Path, data: bytes) -> RawMask:
    try:
        with warnings.catch_warnings(), Image.open(BytesIO(data)) as image:
            warnings.simplefilter("ignore")  # of metadata, of which nothing is used
            image.load()
            alpha = np.asarray(image.convert("RGBA"))[..., 3] if _has_alpha(image) else None
            if image.mode == "P":
                table = np.asarray(image.convert("RGB"))
                return _of_palette(np.asarray(image), table, alpha)
            if image.mode in ("1", "L", "LA", "I;16", "I", "F"):
                return RawMask(np.asarray(image.getchannel(0)).astype(np.float32), "value", {}, _varying(alpha))
            return _of_colours(np.asarray(image.convert("RGB")), alpha)
    except (OSError, ValueError, SyntaxError) as error:
        raise UsageError(f"{path} cannot be used: it ends early or is damaged") from error


def _has_alpha(image: Image.Image) -> bool:
    return image.mode in ("RGBA", "LA", "PA", "RGBa") or "transparency" in image.info


def _from_tiff(path: Path, data: bytes) -> RawMask:
    import tifffile

    try:
        with tifffile.TiffFile(BytesIO(data)) as tiff:
            page: Any = tiff.pages.first
            samples = page.asarray()
            if int(page.photometric) == _PALETTE:
                table = (page.colormap >> 8).astype(np.uint8).T[samples]
                return _of_palette(samples, table, None)
            if page.planarconfig == 2 and samples.ndim == 3:
                samples = np.moveaxis(samples, 0, -1)
    except Exception as error:  # the library raises whatever damaged bytes lead it to
        raise UsageError(f"{path} cannot be used: it ends early or is damaged") from error
    if samples.ndim == 2:
        return RawMask(samples, "value", {})
    if samples.dtype.kind not in "ui" or samples.shape[2] not in (2, 3, 4):
        raise UsageError(f"{path} holds {samples.dtype} of shape {samples.shape}: save one channel")
    samples = (samples >> (8 * (samples.dtype.itemsize - 1))).astype(np.uint8)
    alpha = samples[..., -1] if samples.shape[2] in (2, 4) else None
    if samples.shape[2] == 2:
        return RawMask(samples[..., 0], "value", {}, _varying(alpha))
    return _of_colours(samples[..., :3], alpha)


def _of_palette(indices: NDArray[Any], table: NDArray[np.uint8], alpha: NDArray[np.uint8] | None) -> RawMask:
    """Read by index; a palette of greys is but a way to store these."""
    if _is_grey(table):
        return RawMask(table[..., 0], "value", {}, _varying(alpha))
    used, first = np.unique(indices, return_index=True)
    colours = _packed(table).ravel()[first]
    return RawMask(indices, "index", dict(zip(used.tolist(), colours.tolist(), strict=True)), _varying(alpha))


def _of_colours(rgb: NDArray[np.uint8], alpha: NDArray[np.uint8] | None) -> RawMask:
    if _is_grey(rgb):
        return RawMask(rgb[..., 0], "value", {}, _varying(alpha))
    return RawMask(_packed(rgb), "colour", {}, _varying(alpha))


def _is_grey(rgb: NDArray[np.uint8]) -> bool:
    return bool((rgb[..., 0] == rgb[..., 1]).all() and (rgb[..., 1] == rgb[..., 2]).all())


def _packed(rgb: NDArray[np.uint8]) -> NDArray[np.int32]:
    red, green, blue = (rgb[..., channel].astype(np.int32) for channel in range(3))
    packed: NDArray[np.int32] = red << 16 | green << 8 | blue
    return packed


def _varying(alpha: NDArray[np.uint8] | None) -> NDArray[np.uint8] | None:
    return None if alpha is None or alpha.min() == alpha.max() else alpha
