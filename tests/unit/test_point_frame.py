"""What turns pixels of a picture of points into the units of its table."""

import numpy as np
import pytest

from shared.errors import UsageError
from shared.point_frame import DESCRIBED, PointFrame


@pytest.mark.parametrize("pixel", [0.1, 1 / 3, 7e-9, 12345.6])
@pytest.mark.parametrize("edge", [0.0, -3.3, 512_345.678])
def test_places_come_back_exactly(pixel: float, edge: float) -> None:
    frame = PointFrame(9, pixel, edge * pixel, -edge * pixel, "nm")
    for column, row in np.random.default_rng(0).integers(0, 32_768, (50, 2)).tolist():
        back = frame.column_and_row(*frame.at(column, row))
        assert (round(back[0]), round(back[1])) == (column, row)
        assert back == pytest.approx((column, row), abs=1e-6)


def test_it_stands_with_an_item_to_the_last_bit() -> None:
    frame = PointFrame(12, 0.1 + 0.2, -1 / 3, 1e9 / 7, "µm")
    told = frame.described()
    assert tuple(told) == DESCRIBED
    assert PointFrame.of_described(told | {"well": "A1"}) == frame


@pytest.mark.parametrize(
    "told",
    [
        None, {}, {"points": "3"}, dict.fromkeys(DESCRIBED, ""),
        PointFrame(1, 1.0, 0.0, 0.0).described() | {"point_pixel": "0"},
        PointFrame(1, 1.0, 0.0, 0.0).described() | {"point_left": "nan"},
    ],
)  # fmt: skip
def test_what_was_drawn_of_no_table_has_none(told: dict[str, str] | None) -> None:
    assert PointFrame.of_described(told) is None


def test_what_no_coordinate_can_be_told_by_is_refused() -> None:
    with pytest.raises(UsageError, match="too far from 0 for their spacing: take away what"):
        PointFrame(1, 1e-6, 1e12, 0.0)
    for pixel in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="a pixel above 0"):
            PointFrame(1, pixel, 0.0, 0.0)
