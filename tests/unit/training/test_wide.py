import numpy as np
import pytest
import torch

from shared.images.preparation import prepare
from shared.synth.field import FIELD_V1
from training.data.synthesis import wide_picture, wide_tiles
from training.data.synthesis.wide import CELLS

SIZE = 128


def test_a_seed_gives_the_same_tiles() -> None:
    for one, other in zip(*(wide_tiles(5, 3, SIZE, FIELD_V1, 1.0) for _ in range(2)), strict=True):
        assert one.shape == (3, 1, SIZE, SIZE)
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_tiles_are_parts_of_the_picture_that_was_prepared_whole() -> None:
    image, mask = wide_picture(np.random.default_rng(7), SIZE, FIELD_V1)
    assert image.shape == mask.shape == (CELLS * SIZE, CELLS * SIZE)
    assert abs(float(image.mean())) < 1e-3
    images, masks = wide_tiles(7, 4, SIZE, FIELD_V1, 1.0)
    windows = image.unfold(0, SIZE, 1).unfold(1, SIZE, 1)
    for tile, truth in zip(images, masks, strict=True):
        corners = (windows[:, :, 0, 0] == tile[0, 0, 0]).nonzero().tolist()
        row, column = next((r, c) for r, c in corners if torch.equal(windows[r, c], tile[0]))
        assert torch.equal(mask[row : row + SIZE, column : column + SIZE], truth[0])


def test_pictures_have_several_shapes_one_or_none_and_no_frame() -> None:
    shares = []
    for seed in range(12):
        _, mask = wide_picture(np.random.default_rng(seed), SIZE, FIELD_V1)
        shares.append(float(mask.mean()))
    assert min(shares) < 0.02
    assert max(shares) > 0.1


@pytest.mark.parametrize("severity", [0.0, 1.0])
def test_severity_scales_the_noise(severity: float) -> None:
    images, _ = wide_tiles(3, 1, SIZE, FIELD_V1, severity)
    assert torch.isfinite(images).all()
    assert not prepare(images[0, 0].numpy()).constant
