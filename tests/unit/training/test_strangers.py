import numpy as np
import pytest

from shared.images.preparation import prepare
from training.recipe import strangers
from training.recipe.strangers import stranger


def test_a_seed_gives_one_picture() -> None:
    np.testing.assert_array_equal(stranger(3, 128), stranger(3, 128))
    assert (stranger(3, 128) != stranger(4, 128)).any()


@pytest.mark.parametrize("seed", range(20))
def test_pictures_are_eight_bit_and_show_something(seed: int) -> None:
    picture = stranger(seed, 256)
    assert (picture.dtype, picture.shape) == (np.uint8, (256, 256))
    assert picture.std() > 1
    assert not prepare(picture).constant


@pytest.mark.parametrize(
    "draw",
    [
        strangers.dead_leaves,
        strangers.field,
        strangers.cells,
        strangers.grating,
        strangers.writing,
        strangers.fibres,
        strangers.things,
    ],
)
def test_each_kind_is_finite_and_varied(draw: strangers.Draw) -> None:
    drawn = [draw(np.random.default_rng(seed), 128) for seed in range(6)]
    assert all(np.isfinite(picture).all() for picture in drawn)
    assert sum(np.ptp(picture) > 0 for picture in drawn) >= 5
