"""Files that must be refused, each with the code that it is refused with."""

import os
import socket
import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from shared.errors import ItemErrorCode
from tests.corpus.encodings import ENCODINGS
from tests.corpus.scenes import picture


def text_named_png() -> bytes:
    return b"Just some notes about the plate,\nnot a picture.\n"


def empty_file() -> bytes:
    return b""


def truncated(encoding: str) -> bytes:
    data = ENCODINGS[encoding].encode(picture(200, 160, seed=3))
    return data[: len(data) * 3 // 5]


def png_bomb(side: int = 30_000) -> bytes:
    """A valid header that promises side² pixels, and the first few bytes of them."""

    def chunk(kind: bytes, payload: bytes) -> bytes:
        return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(10_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def animation(format_name: str, frames: int = 3) -> bytes:
    buffer = BytesIO()
    images = [Image.fromarray(picture(64, 48, seed=seed)) for seed in range(frames)]
    images[0].save(buffer, format_name, save_all=True, append_images=images[1:], duration=100)
    return buffer.getvalue()


def with_pillow(format_name: str, width: int = 64, height: int = 48) -> bytes:
    buffer = BytesIO()
    Image.fromarray(picture(width, height, seed=5)).save(buffer, format_name)
    return buffer.getvalue()


def not_finite_tiff(value: float = np.nan) -> bytes:
    buffer = BytesIO()
    tifffile.imwrite(buffer, np.full((64, 64), value, dtype=np.float32))
    return buffer.getvalue()


def many_channels_tiff() -> bytes:
    buffer = BytesIO()
    stack = np.zeros((32, 32, 12), dtype=np.uint8)
    tifffile.imwrite(buffer, stack, photometric="minisblack", planarconfig="contig", metadata=None)
    return buffer.getvalue()


# Name in the folder → bytes and the code they are refused with, all of it found while decoding.
BAD_BYTES: dict[str, tuple[Callable[[], bytes], ItemErrorCode]] = {
    "text.png": (text_named_png, ItemErrorCode.NOT_AN_IMAGE),
    "empty.png": (empty_file, ItemErrorCode.EMPTY_FILE),
    "empty.tif": (empty_file, ItemErrorCode.EMPTY_FILE),
    "truncated.jpg": (lambda: truncated("jpeg-rgb"), ItemErrorCode.TRUNCATED),
    "truncated-progressive.jpg": (lambda: truncated("jpeg-progressive"), ItemErrorCode.TRUNCATED),
    "truncated.png": (lambda: truncated("png-grey"), ItemErrorCode.TRUNCATED),
    "truncated-16-bit.png": (lambda: truncated("png-16-rgb"), ItemErrorCode.TRUNCATED),
    "truncated.tif": (lambda: truncated("tiff-16"), ItemErrorCode.TRUNCATED),
    "truncated.bmp": (lambda: truncated("bmp-rgb"), ItemErrorCode.TRUNCATED),
    "truncated.webp": (lambda: truncated("webp-lossy"), ItemErrorCode.TRUNCATED),
    "bomb.png": (png_bomb, ItemErrorCode.TOO_LARGE),
    "tiny.png": (lambda: with_pillow("PNG", 64, 15), ItemErrorCode.TOO_SMALL),
    "wide.png": (lambda: with_pillow("PNG", 4097, 16), ItemErrorCode.TOO_LARGE),
    "animated.gif": (lambda: animation("GIF"), ItemErrorCode.ANIMATED),
    "animated.png": (lambda: animation("PNG"), ItemErrorCode.ANIMATED),
    "animated.webp": (lambda: animation("WEBP"), ItemErrorCode.ANIMATED),
    "still.gif": (lambda: with_pillow("GIF"), ItemErrorCode.UNSUPPORTED_FORMAT),
    "still.jp2": (lambda: with_pillow("JPEG2000"), ItemErrorCode.UNSUPPORTED_FORMAT),
    "plain.pgm": (lambda: with_pillow("PPM"), ItemErrorCode.UNSUPPORTED_FORMAT),
    "channels.tif": (many_channels_tiff, ItemErrorCode.UNSUPPORTED_FORMAT),
    "nan.tif": (not_finite_tiff, ItemErrorCode.NOT_FINITE),
    "infinite.tif": (lambda: not_finite_tiff(np.inf), ItemErrorCode.NOT_FINITE),
}


def make_unreadable_files(folder: Path) -> dict[str, ItemErrorCode]:
    """What goes wrong before a byte is read: links, pipes, sockets, permissions and a name of no encoding.

    The name is given as `os.fsdecode` gives it, with surrogates for the bytes that are not UTF-8; where the
    file system refuses such names it is left out. Mode 000 is left out for root, who reads on regardless.
    """
    (folder / "outside.png").symlink_to(Path(__file__))
    (folder / "dangling.png").symlink_to("gone.png")
    os.mkfifo(folder / "pipe.png")
    with socket.socket(socket.AF_UNIX) as listener:
        bind_inside(listener, folder, "socket.png")
    made = {
        "outside.png": ItemErrorCode.SYMLINK_OUTSIDE,
        "dangling.png": ItemErrorCode.UNREADABLE,
        "pipe.png": ItemErrorCode.NOT_A_FILE,
        "socket.png": ItemErrorCode.NOT_A_FILE,
    }
    image = with_pillow("PNG")
    if os.geteuid() != 0:
        forbidden = folder / "forbidden.png"
        forbidden.write_bytes(image)
        forbidden.chmod(0)
        made[forbidden.name] = ItemErrorCode.UNREADABLE
    nameless = os.fsdecode(b"latin-1 gr\xf6\xdfe.png")
    try:
        (folder / nameless).write_bytes(image)
    except OSError:
        return made
    return made | {nameless: ItemErrorCode.BAD_NAME}


def bind_inside(listener: socket.socket, folder: Path, name: str) -> None:
    """Leave a socket file; through the folder's descriptor, as a socket's path may not exceed 107 bytes."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        listener.bind(f"/proc/self/fd/{descriptor}/{name}")
    finally:
        os.close(descriptor)
