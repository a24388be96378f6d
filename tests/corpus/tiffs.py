"""TIFFs as other people's tools write them: strips and tiles left out, light and colour of two resolutions."""

import struct
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray

_ENCODE: dict[int, Callable[[bytes], bytes]] = {
    1: bytes,
    5: imagecodecs.lzw_encode,
    8: imagecodecs.zlib_encode,
    32773: imagecodecs.packbits_encode,
}
GREY: dict[str, Any] = {"photometric": "minisblack", "metadata": None}


def tiff(pixels: NDArray[Any], *, tags: Sequence[Any] = (), bigtiff: bool = False, **options: Any) -> bytes:
    """One page as tifffile writes it."""
    buffer = BytesIO()
    with tifffile.TiffWriter(buffer, bigtiff=bigtiff, byteorder=options.pop("byteorder", "<")) as file:
        file.write(pixels, extratags=tags, **(GREY | options))
    return buffer.getvalue()


def no_data(text: str) -> list[Any]:
    """The tag GDAL_NODATA."""
    return [(42113, "s", 0, text, True)]


def sparse(data: bytes) -> bytes:
    """Leave out the strips or tiles that are all zeros, as GDAL's SPARSE_OK does."""
    buffer = BytesIO(data)
    with tifffile.TiffFile(buffer, mode="r+b") as file:
        page = file.pages.first
        assert isinstance(page, tifffile.TiffPage)
        offsets, counts = list(page.dataoffsets), list(page.databytecounts)
        for number, (segment, _, _) in enumerate(page.segments(maxworkers=1)):
            if segment is not None and not segment.any():
                offsets[number] = counts[number] = 0
        assert 0 in counts
        kind = "Tile" if page.is_tiled else "Strip"
        page.tags[f"{kind}Offsets"].overwrite(offsets)
        page.tags[f"{kind}ByteCounts"].overwrite(counts)
    return buffer.getvalue()


def raw_tiff(strips: Sequence[bytes], tags: dict[int, tuple[str, Sequence[int]]], order: str = "<") -> bytes:
    """Write a directory of tags, each with "H" or "I" and its values, and the strips (already encoded)."""
    count = len(strips)
    tags = tags | {273: ("I", [0] * count), 279: ("I", [len(strip) for strip in strips])}
    behind = 8 + 2 + 12 * len(tags) + 4
    sizes = {tag: struct.calcsize(f"{len(values)}{kind}") for tag, (kind, values) in tags.items()}
    at = behind + sum(size for size in sizes.values() if size > 4)
    offsets = []
    for strip in strips:
        offsets.append(at)
        at += len(strip)
    tags[273] = ("I", offsets)
    entries, extra = b"", b""
    for tag in sorted(tags):
        kind, values = tags[tag]
        packed = struct.pack(f"{order}{len(values)}{kind}", *values)
        entries += struct.pack(f"{order}HHI", tag, {"H": 3, "I": 4}[kind], len(values))
        if len(packed) > 4:
            entries += struct.pack(f"{order}I", behind + len(extra))
            extra += packed
        else:
            entries += packed.ljust(4, b"\0")
    mark = {"<": b"II", ">": b"MM"}[order]
    head = mark + struct.pack(f"{order}HIH", 42, 8, len(tags))
    return head + entries + bytes(4) + extra + b"".join(strips)


def video_frame(
    light: NDArray[np.uint8],
    across: int,
    down: int,
    *,
    compression: int = 1,
    rows: int | None = None,
    told: tuple[int, int] | None = (0, 0),
    order: str = "<",
) -> bytes:
    """YCbCr with one Cb and Cr for across × down Y, without colour; `told` (None: not at all) instead of the truth."""
    height, width = light.shape
    rows = rows or height
    strips = []
    for first in range(0, height, rows):
        part = light[first : first + rows]
        high, wide = -(-len(part) // down), -(-width // across)
        padded = np.zeros((high * down, wide * across), np.uint8)
        padded[: len(part), :width] = part
        units = padded.reshape(high, down, wide, across).swapaxes(1, 2).reshape(high, wide, down * across)
        colour = np.full((high, wide, 2), 128, np.uint8)
        strips.append(bytes(_ENCODE[compression](np.concatenate([units, colour], axis=-1).tobytes())))
    tags: dict[int, tuple[str, Sequence[int]]] = {256: ("I", [width]), 257: ("I", [height]), 278: ("I", [rows])}
    tags |= {258: ("H", [8, 8, 8]), 259: ("H", [compression]), 262: ("H", [6]), 277: ("H", [3]), 284: ("H", [1])}
    if told is not None:
        tags[530] = ("H", told if any(told) else (across, down))
    return raw_tiff(strips, tags, order)
