"""Pictures whose channels are given apart, to a model that takes several."""

from io import BytesIO

import numpy as np
import pytest
import tifffile
from PIL import Image

from shared.errors import ImageError, ItemErrorCode
from shared.images.channel_choice import planes_word
from shared.images.codec import DecodeLimits, decode
from shared.images.isolated import Decoders
from shared.images.padding import pad_with_ground
from shared.images.preparation import prepare
from shared.images.resample import resample, scaled

LIMITS = DecodeLimits(min_side=16, max_side=2000)
RGB = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
PLANES = RGB.transpose(2, 0, 1)


def png(pixels, mode=None):
    data = BytesIO()
    Image.fromarray(pixels, mode).save(data, "PNG")
    return data.getvalue()


def tiff(pixels, **how):
    data = BytesIO()
    tifffile.imwrite(data, pixels, metadata=None, **how)
    return data.getvalue()


def apart(data, count=3):
    return decode(data, limits=LIMITS, channel=planes_word(count))


def test_colours_come_as_stored():
    image = apart(png(RGB))
    assert (image.pixels.dtype, image.height, image.width, image.note) == (np.uint8, 20, 30, None)
    np.testing.assert_array_equal(image.pixels, PLANES)
    deep = RGB.astype(np.uint16) * 257
    np.testing.assert_array_equal(apart(tiff(deep, photometric="rgb")).pixels, PLANES.astype(np.uint16) * 257)
    of_floats = RGB.astype(np.float32) / 7
    np.testing.assert_array_equal(apart(tiff(of_floats, photometric="rgb")).pixels, of_floats.transpose(2, 0, 1))
    tall = np.tile(RGB, (60, 1, 1))  # read by bands
    np.testing.assert_array_equal(apart(png(tall)).pixels, tall.transpose(2, 0, 1))


def test_palettes_inks_and_transparency_become_colours():
    image = Image.fromarray(np.arange(600, dtype=np.uint8).reshape(20, 30) % 4, "P")
    image.putpalette([200, 10, 30, 0, 255, 0, 9, 9, 200, 255, 255, 255])
    data = BytesIO()
    image.save(data, "PNG")
    np.testing.assert_array_equal(apart(data.getvalue()).pixels[:, 0, :2].T, [[200, 10, 30], [0, 255, 0]])
    inks = np.zeros((20, 30, 4), dtype=np.uint8)
    inks[..., 0], inks[:, :15, 3] = 255, 51
    found = apart(tiff(inks, photometric="separated")).pixels[:, 0]
    np.testing.assert_allclose(found[:, [0, -1]].T, [[0, 204, 204], [0, 255, 255]], atol=1e-3)
    hidden = np.dstack([RGB, np.full(RGB.shape[:2], 255, np.uint8)])
    hidden[:10, :, 3] = 0
    found = apart(png(hidden)).pixels
    assert (found[:, :10] == 255).all()  # white shows through
    np.testing.assert_array_equal(found[:, 10:], PLANES[:, 10:])


def test_other_numbers_of_channels():
    five = np.random.default_rng(1).integers(0, 4000, (20, 30, 5), dtype=np.uint16)
    data = tiff(five, photometric="minisblack", planarconfig="contig")
    np.testing.assert_array_equal(apart(data, 5).pixels, five.transpose(2, 0, 1))
    with pytest.raises(ImageError, match="the model takes 3 channels, and the picture has 5") as refused:
        apart(data)
    assert refused.value.code is ItemErrorCode.NO_SUCH_CHANNEL
    with pytest.raises(ImageError, match="takes 2 channels, and the picture has 3"):
        apart(png(RGB), 2)


@pytest.mark.parametrize("data", [png(RGB[..., 0]), tiff(RGB[..., 0])])
def test_a_grey_picture_stays_grey_and_says_so(data):
    image = apart(data)
    np.testing.assert_array_equal(image.pixels, RGB[..., 0])
    assert image.note == "colour: a grey picture, shown to each of the model's 3 channels"


def test_planes_come_out_of_the_decoder_process():
    decoders = Decoders(LIMITS, seconds=60, processes=1)
    try:
        for pixels in (RGB, RGB.astype(np.uint16), RGB.astype(np.float32)):
            found = decoders.decode(tiff(pixels, photometric="rgb"), planes_word(3)).pixels
            assert found.dtype == pixels.dtype
            np.testing.assert_array_equal(found, pixels.transpose(2, 0, 1))
        assert decoders.decode(png(RGB)).pixels.ndim == 2
    finally:
        decoders.close()


def test_each_channel_is_prepared_resampled_and_padded_as_it_would_be_alone():
    prepared = prepare(PLANES)
    assert not prepared.constant
    for plane, alone in zip(prepared.image, PLANES, strict=True):
        np.testing.assert_array_equal(plane, prepare(alone).image)
    assert prepare(np.full_like(PLANES, 7)).constant
    shape = scaled(PLANES.shape, 1.5)
    assert shape == (30, 45)
    np.testing.assert_array_equal(resample(PLANES, shape)[2], resample(PLANES[2], shape))
    padded = pad_with_ground(prepared.image, ((5, 6), (7, 8)))
    assert padded.shape == (3, 31, 45)
    np.testing.assert_array_equal(padded[:, 5:25, 7:37], prepared.image)
    same = pad_with_ground(np.stack([prepared.image[0]] * 2), ((5, 6), (7, 8)))
    np.testing.assert_array_equal(same[0], pad_with_ground(prepared.image[0], ((5, 6), (7, 8))))
    np.testing.assert_array_equal(same[0], same[1])
