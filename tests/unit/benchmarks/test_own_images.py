"""The sets and the table of `make bench-own`; what it measures is not tried here."""

import numpy as np
import pytest
import tifffile

from benchmarks import own_images
from benchmarks.own_images import CLASSICAL, Found, document
from benchmarks.pairs import SETS
from shared.images.metrics import dice

ABOUT = {"date": "2026-11-28 16:00 UTC", "commit": "0123456789abcdef+", "cpu": "some CPU"}
DRAWN = [each for each in SETS if each.draw is not None]


@pytest.mark.parametrize("pairs", DRAWN, ids=lambda each: each.name)
def test_a_drawn_set_is_the_same_every_time_and_has_something_to_find(pairs):
    (image, mask), (again, _) = (pairs.draw(np.random.default_rng(1), 1) for _ in range(2))
    np.testing.assert_array_equal(image, again)
    assert image.shape[:2] == mask.shape
    assert 0.0005 < mask.mean() < 0.5
    assert image[mask].mean() != pytest.approx(image[~mask].mean(), rel=0.05)


def test_a_set_is_written_as_pairs_and_as_a_batch_that_nobody_trains_on(tmp_path):
    pairs = next(each for each in DRAWN if each.name == "sparse particles")
    small = type(pairs)(pairs.name, draw=pairs.draw, training=2, tried=1)
    small.write(tmp_path, None)
    names = {place: [path.name for path in (tmp_path / place).iterdir()] for place in ("pairs/images", "batch")}
    assert sorted(names["pairs/images"]) == ["000.tif", "001.tif"]
    assert names["batch"] == ["002.tif"]
    assert set(np.unique(tifffile.imread(tmp_path / "truth" / "002.tif"))) == {0, 255}


@pytest.mark.parametrize("name", CLASSICAL)
def test_thresholds_find_what_is_bright(name):
    truth = np.hypot(*(np.indices((120, 120)) - 60)) < 20
    assert dice(CLASSICAL[name](100.0 + 50 * truth), truth) > 0.95


def test_the_table_has_a_column_for_each_set():
    found = [Found(name, 4, {"ours": 0.9, "Otsu": score}, 60.4) for name, score in (("one", 0.5), ("two", 0.75))]
    head, _, *rows, _, origin = document(found, ABOUT).splitlines()
    assert head == "| Dice | one, 4 images | two, 4 images |"
    assert rows == ["| ours | 0.900 | 0.900 |", "| Otsu | 0.500 | 0.750 |", "| CPU-seconds of each network | 60 | 60 |"]
    assert origin == "`make bench-own`, 2026-11-28 16:00 UTC, commit 0123456789, one thread of some CPU."


def test_without_the_stock_network_it_says_how_it_is_had(monkeypatch, capsys):
    monkeypatch.setattr(own_images.importlib.util, "find_spec", lambda _: None)
    assert own_images.main([]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.endswith("is not installed: `make bench-own` installs it")
