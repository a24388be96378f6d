"""A pair written at another scale: the same pixels as at once, in memory of some rows."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from shared.images.codec import decode_mask
from shared.images.resample import resample
from training.data.resampled import save_image, save_mask


@pytest.mark.parametrize("shape", [(1024, 1200), (150, 131)])
def test_rows_make_the_same_pair_as_the_whole(tmp_path: Path, shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 60_000, (300, 260), dtype=np.uint16)
    inside = pixels > 30_000
    save_image(tmp_path / "a.npy", pixels, shape)
    save_mask(tmp_path / "a.png", inside, shape)
    np.testing.assert_allclose(np.load(tmp_path / "a.npy"), resample(pixels, shape), rtol=1e-5)
    whole = resample(inside, shape)
    is_clear = abs(whole - 0.5) > 1e-4
    np.testing.assert_array_equal(decode_mask((tmp_path / "a.png").read_bytes())[is_clear], whole[is_clear] > 0.5)
    assert is_clear.mean() > 0.9


def test_a_large_pair_takes_memory_of_some_rows(tmp_path: Path) -> None:
    pixels, shape = np.zeros((2048, 128), dtype=np.uint8), (8192, 512)
    tracemalloc.start()
    save_image(tmp_path / "a.npy", pixels, shape)
    save_mask(tmp_path / "a.png", pixels > 0, shape)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (tmp_path / "a.npy").stat().st_size > 16 * 2**20
    assert peak < 4 * 2**20
