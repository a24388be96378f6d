from itertools import pairwise

import numpy as np
import pytest

from shared.net.intake import AS_SHIPPED, Intake
from shared.net.tiling import TILE_SIDES, Stitcher, cut, plan_tiles, sides_from, stitch

AWKWARD = [(16, 16), (16, 700), (511, 513), (512, 512), (513, 1), (960, 961), (1500, 1024), (1023, 2050)]


@pytest.mark.parametrize(("height", "width"), AWKWARD)
def test_tiling_is_invisible_for_a_function_of_the_pixel(height, width):
    image = np.random.default_rng(0).random((height, width), dtype=np.float32)
    plan = plan_tiles(height, width)
    result = stitch(cut(image, plan) ** 2, plan)
    assert result.shape == image.shape
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, image**2, atol=1e-6)


@pytest.mark.parametrize(("height", "width"), AWKWARD)
def test_neighbours_overlap_and_no_tile_is_spared_or_wasted(height, width):
    plan = plan_tiles(height, width, (512,), overlap=64)
    for starts, length in ((plan.row_starts, max(height, 512)), (plan.column_starts, max(width, 512))):
        assert starts[0] == 0
        assert starts[-1] == length - 512
        assert all(later - earlier <= 512 - 64 for earlier, later in pairwise(starts))
        assert len(starts) == max(1, -(-(length - 64) // (512 - 64)))


def test_a_large_image_takes_no_more_tiles_than_it_needs():
    assert len(plan_tiles(4096, 4096)) == 25


@pytest.mark.parametrize(
    ("side", "tile", "starts"),
    [
        (300, 512, (0,)),
        (512, 512, (0,)),
        (513, 768, (0,)),
        (1024, 1024, (0,)),
        (1025, 1024, (0, 1)),
        (2600, 1024, (0, 768, 1536, 1576)),
    ],
)
def test_an_image_goes_through_whole_up_to_the_largest_tile(side, tile, starts):
    plan = plan_tiles(side, 512)
    assert (plan.tile, plan.row_starts) == ((tile, 512), starts)


def test_a_tile_sized_image_is_one_tile_unchanged():
    image = np.random.default_rng(1).integers(0, 256, (512, 512), dtype=np.uint8)
    plan = plan_tiles(512, 512)
    tiles = cut(image, plan)
    np.testing.assert_array_equal(tiles, image[None])
    np.testing.assert_array_equal(stitch(tiles, plan), image)


def test_a_small_image_lies_amid_more_of_its_ground():
    image = np.random.default_rng(0).normal(-0.5, 0.1, (20, 16)).astype(np.float32)
    image[8:12, 6:10] = 5.0
    (tile,) = cut(image, plan_tiles(20, 16, (64,), overlap=8))
    np.testing.assert_array_equal(tile[22:42, 24:40], image)
    around = np.delete(tile, np.s_[22:42], axis=0)
    assert np.isin(around, image).all()
    assert around.max() < 0


def test_tiles_cross_fade_where_they_disagree():
    plan = plan_tiles(64, 112, (64,), overlap=16)
    blended = stitch([np.zeros((64, 64)), np.ones((64, 64))], plan)[30]
    assert (blended[:48] == 0).all()
    assert (blended[64:] == 1).all()
    ramp = blended[47:65]
    assert (np.diff(ramp) > 0).all()
    assert np.diff(ramp).max() < 0.125


def test_tiles_may_come_in_any_order():
    plan = plan_tiles(600, 900, (512,), overlap=64)
    tiles = np.random.default_rng(2).random((len(plan), 512, 512), dtype=np.float32)
    stitcher = Stitcher(plan)
    for index in reversed(range(len(plan))):
        stitcher.add(index, tiles[index])
    np.testing.assert_allclose(stitcher.result(), stitch(tiles, plan), atol=1e-6)


@pytest.mark.parametrize("arguments", [(0, 5), (5, 0), (100, 100, (64,), 64), (100, 100, (64,), -1)])
def test_a_plan_that_cannot_be_is_refused(arguments):
    with pytest.raises(ValueError, match=r"no pixels|overlap"):
        plan_tiles(*arguments)


def test_an_image_of_another_size_than_the_plan_is_refused():
    with pytest.raises(ValueError, match="100×100"):
        cut(np.zeros((100, 101)), plan_tiles(100, 100))


def test_models_of_smaller_samples_have_smaller_tiles():
    assert sides_from(512) == TILE_SIDES
    assert sides_from(80) == (80, 128, 192, 256, 384, *TILE_SIDES)
    of_small = Intake.of_samples(128)
    assert [of_small.plan(*shape).tile for shape in ((128, 128), (100, 129), (300, 600))] == [
        (128, 128), (128, 192), (384, 768)
    ]  # fmt: skip
    assert of_small.scale((64, 64), 1.0) == 1.0 < AS_SHIPPED.scale((64, 64), 1.0)
    assert Intake.of_samples(2048).plan(3000, 3000).tile == (1024, 1024)
    assert AS_SHIPPED.plan(64, 64) == plan_tiles(64, 64)
