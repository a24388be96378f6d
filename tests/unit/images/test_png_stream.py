from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from shared.images.codec import decode_mask, decode_probability
from shared.images.png_stream import PngStream


def written(pixels, bits, cuts):
    buffer = BytesIO()
    stream = PngStream(buffer.write, height=len(pixels), width=pixels.shape[1], bits=bits)
    for rows in np.split(pixels, cuts):
        stream.add(rows)
    return buffer.getvalue()


@pytest.mark.parametrize("cuts", [[], [1], [7, 8, 30]])
@pytest.mark.parametrize("shape", [(40, 61), (40, 1), (40, 64)])
def test_what_was_written_in_bands_reads_as_the_whole(shape, cuts):
    levels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    png = written(levels, 8, cuts)
    Image.open(BytesIO(png)).verify()
    np.testing.assert_array_equal(np.rint(decode_probability(png) * 255), levels)
    mask = levels > 99
    png = written(mask, 1, cuts)
    assert Image.open(BytesIO(png)).mode == "1"
    np.testing.assert_array_equal(decode_mask(png), mask)


@pytest.mark.parametrize("rows", [np.zeros((2, 5), np.uint8), np.zeros((5, 4), np.uint8)])
def test_rows_that_do_not_fit_are_refused(rows):
    stream = PngStream(BytesIO().write, height=4, width=4, bits=8)
    with pytest.raises(ValueError, match="rows of shape"):
        stream.add(rows)
