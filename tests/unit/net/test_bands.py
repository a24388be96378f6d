import numpy as np
import pytest

from shared.net.bands import BandStitcher
from shared.net.tiling import plan_tiles, stitch


@pytest.mark.parametrize(
    ("height", "width"), [(40, 50), (64, 64), (65, 200), (300, 17), (17, 300), (333, 222), (64 + 48 * 3, 64)]
)
def test_rows_come_as_the_whole_has_them(height, width):
    plan = plan_tiles(height, width, (64,), overlap=16)
    tiles = np.random.default_rng(0).random((len(plan), 64, 64), dtype=np.float32)
    stitcher = BandStitcher(plan)
    finished = [rows.copy() for tile in tiles if (rows := stitcher.add(tile)) is not None]
    assert len(finished) == len(plan.row_starts)
    np.testing.assert_allclose(np.concatenate(finished), stitch(tiles, plan), atol=1e-6)
