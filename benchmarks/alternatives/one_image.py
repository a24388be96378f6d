"""What the alternatives have in common: a PNG in, the PNGs of mask and probabilities out, with the usual libraries.

Pillow with the compression level that the worker uses too, the same network with the same precision. None of them
computes the measurements that the worker stores with each image.
"""

from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from shared.images.normalise import standardise
from shared.net.predictor import Predictor


def read(data: bytes) -> NDArray[np.float32]:
    """Read an image: H×W, standardised."""
    return standardise(np.asarray(Image.open(BytesIO(data)).convert("L"), dtype=np.float32))


def written(levels: NDArray[np.uint8], threshold: float) -> tuple[bytes, bytes]:
    """Mask and probability map as PNG."""
    mask = Image.fromarray(np.where(levels >= threshold * 255, np.uint8(255), np.uint8(0))).convert("1")
    return _png(mask), _png(Image.fromarray(levels))


def segment(predictor: Predictor, data: bytes) -> tuple[bytes, bytes]:
    """Both PNGs of one image, by itself in a batch."""
    return written(predictor.predict_tiles(read(data)[None])[0], predictor.threshold)


def _png(image: Image.Image) -> bytes:
    buffer = BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
