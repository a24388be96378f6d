"""The sheet: a place for each picture, in its column, its proportions kept."""

import numpy as np
import pytest

from shared.images.contact_sheet import HEADINGS, ContactRow, contact_sheet
from shared.images.heatmap import MAGMA
from tests.corpus.scenes import picture

TILE = 64


def sheet_of(*rows: ContactRow) -> np.ndarray:
    return np.asarray(contact_sheet(rows, tile=TILE))


def colours(sheet: np.ndarray) -> set[tuple[int, ...]]:
    return set(map(tuple, np.unique(sheet.reshape(-1, 3), axis=0).tolist()))


def full_row(width: int = 50, height: int = 40) -> ContactRow:
    mask = np.zeros((height, width), dtype=bool)
    mask[10:30, 10:30] = True
    return ContactRow("a.png", picture(width, height, 0), mask, mask * np.float32(0.5), mask, 0.875, "clean")


def test_a_row_adds_its_height_and_nothing_else_moves():
    one, three = sheet_of(full_row()), sheet_of(full_row(), full_row(), full_row())
    assert one.shape[1] == three.shape[1]
    assert three.shape[0] - one.shape[0] > 2 * TILE
    assert np.array_equal(one[:90], three[:90])


def test_a_sheet_of_nothing_still_has_its_headings():
    assert sheet_of().shape[1] == sheet_of(full_row()).shape[1]
    assert HEADINGS == ("input", "truth", "probability", "mask", "Dice")


def test_the_probability_is_in_colour():
    only_half = ContactRow("a", np.zeros((40, 40), np.uint8), probability=np.full((40, 40), 0.6, np.float32))
    assert tuple(MAGMA[153].tolist()) in colours(sheet_of(only_half)[:150])
    without = ContactRow("a", np.zeros((40, 40), np.uint8))
    assert not np.array_equal(sheet_of(only_half), sheet_of(without))


@pytest.mark.parametrize(("width", "height"), [(16, 16), (900, 16), (16, 900), (500, 300)])
def test_proportions_are_kept(width, height):
    white = ContactRow("", np.full((height, width), 255, dtype=np.uint8))
    rows, columns = np.nonzero((sheet_of(white)[:, : 24 + TILE] == 255).all(axis=-1))
    shown = np.ptp(columns) + 1, np.ptp(rows) + 1
    assert max(shown) == TILE
    assert min(shown) == max(1, round(TILE * min(width, height) / max(width, height)))


def test_float_sources_are_stretched_for_showing():
    dim = ContactRow("", np.linspace(0.001, 0.002, 1600, dtype=np.float32).reshape(40, 40))
    tile = sheet_of(dim)[58 : 58 + TILE, 24 : 24 + TILE]
    assert (tile.min(), tile.max()) == (0, 255)


@pytest.mark.parametrize("title", ["", "line\nbreak\ttab\x00", "n" * 400, "显微镜", "🔬"])
def test_any_file_name_can_be_a_title(title):
    row = full_row()
    assert sheet_of(ContactRow(title, row.source, dice=0.5)).shape == sheet_of(row).shape
