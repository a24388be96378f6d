"""Masks and probability maps: what is written is read back, by this module and by other readers."""

from io import BytesIO

import imagecodecs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from shared.errors import ImageError, ItemErrorCode
from shared.images.codec import (
    decode_mask,
    decode_probability,
    encode_grey,
    encode_mask,
    encode_probability,
    widen_mask,
)

shapes = array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=35)


def opened(data: bytes) -> Image.Image:
    image = Image.open(BytesIO(data))
    image.load()
    return image


@given(arrays(np.bool_, shapes))
@settings(max_examples=100, deadline=None)
def test_masks_come_back(mask):
    assert np.array_equal(decode_mask(encode_mask(mask)), mask)


@given(arrays(np.uint8, shapes))
@settings(max_examples=100, deadline=None)
def test_probabilities_come_back(levels):
    probability = decode_probability(encode_probability(levels))
    assert probability.dtype == np.float32
    assert np.array_equal(probability, levels / np.float32(255))


def test_a_mask_is_one_bit_a_pixel_and_reads_as_0_and_255():
    mask = np.zeros((30, 45), dtype=bool)
    mask[5:20, 10:33] = True
    image = opened(encode_mask(mask))
    assert image.mode == "1"
    assert np.array_equal(np.asarray(image.convert("L")), mask * 255)


def test_a_mask_saved_as_8_bits_by_another_program_is_read():
    mask = np.eye(20, dtype=bool)
    assert np.array_equal(decode_mask(encode_grey(mask * np.uint8(255))), mask)


@given(arrays(np.bool_, shapes))
@settings(max_examples=100, deadline=None)
def test_a_widened_mask_is_0_and_255_to_every_reader(mask):
    widened = widen_mask(encode_mask(mask))
    assert opened(widened).mode == "L"
    assert np.array_equal(np.asarray(opened(widened)), mask * np.uint8(255))
    assert np.array_equal(imagecodecs.png_decode(widened), mask * np.uint8(255))


def test_a_mask_of_several_bands_is_widened_whole():
    mask = np.random.default_rng(0).random((600, 31)) > 0.5
    assert np.array_equal(np.asarray(opened(widen_mask(encode_mask(mask)))), mask * np.uint8(255))


def test_the_ends_of_probability_are_exact():
    ends = decode_probability(encode_probability(np.array([[0, 255]], dtype=np.uint8)))
    assert ends.tolist() == [[0.0, 1.0]]


def test_a_grey_image_comes_back():
    image = np.random.default_rng(0).integers(0, 256, (33, 21), dtype=np.uint8)
    assert np.array_equal(np.asarray(opened(encode_grey(image))), image)


@given(arrays(np.uint8, shapes))
@settings(max_examples=100, deadline=None)
def test_libpng_reads_what_is_written(levels):
    assert np.array_equal(imagecodecs.png_decode(encode_probability(levels)), levels)
    assert np.array_equal(imagecodecs.png_decode(encode_grey(levels)), levels)
    shown = imagecodecs.png_decode(encode_mask(levels > 127))
    assert np.array_equal(shown.astype(bool), levels > 127)


@pytest.mark.parametrize("view", [np.s_[::2, ::3], np.s_[::-1], np.s_[5:20, 7:30]])
def test_parts_of_arrays_are_written_as_they_are(view):
    levels = np.random.default_rng(0).integers(0, 256, (33, 45), dtype=np.uint8)
    assert np.array_equal(np.asarray(opened(encode_probability(levels[view]))), levels[view])
    assert np.array_equal(decode_mask(encode_mask(levels[view] > 127)), levels[view] > 127)


@pytest.mark.parametrize("read", [decode_mask, decode_probability, widen_mask])
def test_a_damaged_result_is_an_image_error(read):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    for data in (b"", b"<html>", encode_probability(noise)[:1000]):
        with pytest.raises(ImageError) as caught:
            read(data)
        assert caught.value.code is ItemErrorCode.TRUNCATED
