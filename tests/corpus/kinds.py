"""Kinds of files beside those of `encodings`, whose reading has code of its own."""

from collections.abc import Callable
from io import BytesIO

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from tests.corpus.tiffs import GREY, no_data, sparse, tiff, video_frame

Grey = NDArray[np.uint8]  # H×W


def _preview(grey: Grey) -> bytes:
    buffer = BytesIO()
    with tifffile.TiffWriter(buffer) as file:
        file.write(grey[::2, ::2], subfiletype=1, subifds=1, **GREY)
        file.write(grey, **GREY)
    return buffer.getvalue()


def _bordered(grey: Grey) -> NDArray[np.float32]:
    floats = grey.astype(np.float32)
    floats[:9] = -9999
    return floats


def _turned(grey: Grey, format_name: str) -> bytes:
    buffer, exif = BytesIO(), Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(grey).save(buffer, format_name, exif=exif)
    return buffer.getvalue()


def _two(grey: Grey) -> bytes:
    buffer = BytesIO()
    Image.fromarray(grey).save(buffer, "MPO", save_all=True, append_images=[Image.fromarray(grey[::-1])])
    return buffer.getvalue()


def _half_blank(grey: Grey) -> Grey:
    return np.where(np.arange(len(grey))[:, None] // 16 % 2, grey, 0).astype(np.uint8)


KINDS: dict[str, Callable[[Grey], bytes]] = {
    "sparse tiles": lambda grey: sparse(tiff(_half_blank(grey), tile=(16, 16), compression="zlib")),
    "sparse strips of floats": lambda grey: sparse(
        tiff(_half_blank(grey).astype(np.float32), rowsperstrip=16, tags=no_data("-9999"))
    ),
    "video 4:2:0": lambda grey: video_frame(grey, 2, 2, compression=32773, rows=16),
    "video untold": lambda grey: video_frame(grey, 2, 2, compression=8, told=None),
    "video 4:1:1": lambda grey: video_frame(grey, 4, 1, compression=5, order=">"),
    "no data": lambda grey: tiff(_bordered(grey), tags=no_data("-9999")),
    "no data untold": lambda grey: tiff(_bordered(grey)),
    "channels": lambda grey: tiff(np.stack([grey] * 3), planarconfig="separate", tile=(32, 32)),
    "preview": _preview,
    "large integers": lambda grey: tiff(grey.astype(np.uint32) + np.uint32(4_000_000_000), compression="lzw"),
    "under one directory": lambda grey: tiff(np.stack([grey] * 3), metadata={}, truncate=True),
    "turned PNG": lambda grey: _turned(grey, "PNG"),
    "turned WebP": lambda grey: _turned(grey, "WEBP"),
    "two pictures": _two,
    "JPEG-LS": lambda grey: bytes(imagecodecs.jpegls_encode(grey)),
    "lossless JPEG": lambda grey: bytes(imagecodecs.ljpeg_encode(grey)),
}
