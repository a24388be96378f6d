"""PNG by the worker's own way, by Pillow and by other encoders; and what compresses and inflates in them.

Encoded is a probability map that the shipped network made of a noisy 512×512 image, decoded is that image as Pillow
writes it. The compressors all get the same rows, filtered as the worker does it: that step is not in their time.
"""

import zlib
from collections.abc import Callable
from functools import partial
from io import BytesIO

import imagecodecs
import numpy as np
from isal import isal_zlib
from PIL import Image

from benchmarks import images
from benchmarks.measure import Effort, Row, alternate, command, own_cpu_ms
from shared.config import DEFAULT_MODEL
from shared.images.codec import decode, encode_mask, encode_probability
from shared.images.decoded import DecodeLimits
from shared.net.predictor import Predictor

Work = Callable[[], object]


def rows(effort: Effort) -> list[Row]:
    """Milliseconds of CPU, and the files' sizes."""
    predictor = Predictor.load(DEFAULT_MODEL, "cpu")
    levels = predictor.predict_tiles(images.tiles(1))[0]
    mask, source = levels >= 128, _by_pillow(images.pixels(0), 6)
    filtered = np.diff(np.vstack([np.zeros_like(levels[:1]), levels]), axis=0).tobytes()
    inflated = zlib.decompress(zlib.compress(images.pixels(0).tobytes(), 1))
    deflated = zlib.compress(inflated, 1)
    limits = DecodeLimits(1, 4096)

    encoders: dict[str, Callable[[], bytes | bytearray]] = {
        "probability map: the worker's": partial(encode_probability, levels),
        "probability map: Pillow, level 1": partial(_by_pillow, levels, 1),
        "probability map: Pillow, level 6": partial(_by_pillow, levels, 6),
        "probability map: libpng, level 1": partial(imagecodecs.png_encode, levels, level=1),
        "probability map: libspng, level 1": partial(imagecodecs.spng_encode, levels, level=1),
        "mask: the worker's": partial(encode_mask, mask),
        "mask: Pillow": partial(_by_pillow, mask, 1),
        "compressing: ISA-L, level 2": partial(isal_zlib.compress, filtered, 2),
        "compressing: zlib, level 1": partial(zlib.compress, filtered, 1),
        "compressing: zlib, run lengths": partial(_run_lengths, filtered),
        "compressing: zlib-ng, level 1": partial(imagecodecs.zlibng_encode, filtered, level=1),
        "compressing: libdeflate, level 1": partial(imagecodecs.deflate_encode, filtered, level=1),
    }
    decoders: dict[str, Work] = {
        "decoding a noisy image: the worker's": partial(decode, source, limits=limits),
        "decoding a noisy image: Pillow": partial(_pillow_decode, source),
        "decoding a noisy image: libpng": partial(imagecodecs.png_decode, source),
        "decoding a noisy image: libspng": partial(imagecodecs.spng_decode, source),
        "inflating: ISA-L": partial(isal_zlib.decompress, deflated),
        "inflating: zlib": partial(zlib.decompress, deflated),
        "inflating: zlib-ng": partial(imagecodecs.zlibng_decode, deflated),
        "inflating: libdeflate": partial(imagecodecs.deflate_decode, deflated),
    }
    count = effort.of(50, 2)
    everything: dict[str, Work] = {**encoders, **decoders}
    samples = alternate({name: partial(own_cpu_ms, work, count) for name, work in everything.items()}, effort.rounds)
    return [Row.of(name, "ms CPU", samples[name]) for name in everything] + [
        Row.of(f"{name}, size", "KiB", [len(encode()) / 1024]) for name, encode in encoders.items()
    ]


def _by_pillow(pixels: np.ndarray, level: int) -> bytes:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=level)
    return buffer.getvalue()


def _pillow_decode(data: bytes) -> None:
    Image.open(BytesIO(data)).load()


def _run_lengths(data: bytes) -> bytes:
    compressor = zlib.compressobj(1, strategy=zlib.Z_RLE)
    return compressor.compress(data) + compressor.flush()


if __name__ == "__main__":
    command(__doc__, rows)
