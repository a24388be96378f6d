"""A decoder process that misbehaves on marked images; an image's width is its mark."""

import ctypes
import os
import re
import signal
from dataclasses import dataclass, replace

import numpy as np

import shared.images.decoder
from shared.images.codec import DecodedImage, DecodeLimits, decode

SEGFAULT, EXIT, HANG, MEMORY, KILLED, NONSENSE, HARMED, UNPRINTABLE, INFINITE, DEEP, WIDE = range(101, 112)

images = 0


@dataclass(frozen=True, eq=False)
class MoreThanThereIs(DecodedImage):
    """Announces more pixels than it has."""

    @property
    def height(self) -> int:
        return super().height + 1


def misbehave(data: bytes, *, limits: DecodeLimits, channel: str) -> DecodedImage:
    global images
    images += 1
    image = decode(data, limits=limits, channel=channel)
    match image.width:
        case 101:
            ctypes.string_at(0)
        case 102:
            os._exit(3)
        case 103:
            re.match(r"(a*)*b", "a" * 64)  # in C, for ever, and with the interpreter's lock held
        case 104:
            np.ones(2**40)
        case 105:
            os.kill(os.getpid(), signal.SIGKILL)
        case 106:
            return MoreThanThereIs(image.pixels, image.format, image.mode, image.bit_depth)
        case 107 if images > 1:
            os.abort()
        case 108:
            return replace(image, note="first of 3 pages\0")
        case 109:
            return replace(image, bit_depth=float("inf"))  # type: ignore[arg-type]
        case 110:
            return replace(image, bit_depth=10**9)
        case 111:
            return replace(image, pixels=image.pixels.astype(np.complex128))  # type: ignore[arg-type]
    return image


if __name__ == "__main__":
    shared.images.decoder.decode = misbehave
    shared.images.decoder.main()
