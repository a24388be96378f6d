"""The size of a pixel as people say it."""

import pytest

from shared.errors import UsageError
from shared.pixel_size import PixelSize, micrometres


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.65um", (0.65, 0.65)),
        ("0.65 µm", (0.65, 0.65)),  # the micro sign
        ("0.65 μm", (0.65, 0.65)),  # the Greek letter
        ("325nm", (0.325, 0.325)),
        ("0.5x0.6um", (0.5, 0.6)),
        ("0.5 × 0.6 µm", (0.5, 0.6)),
        ("1e-3mm", (1.0, 1.0)),
    ],
)
def test_a_size_is_read(text, expected):
    size = PixelSize.parse(text)
    assert (size.x, size.y) == pytest.approx(expected)


@pytest.mark.parametrize(
    "text",
    ["", "0.65", "um", "0um", "-1um", "nanum", "infum", "1px", "1 furlong", "1um2", "1x0um", "1,2,3um"],
)
def test_what_is_none_is_refused_in_one_line(text):
    with pytest.raises(UsageError) as refusal:
        PixelSize.parse(text)
    assert "\n" not in str(refusal.value)
    assert "0.65um" in str(refusal.value)


def test_units_as_files_write_them():
    assert {micrometres(unit) for unit in ("µm", "μm", "um", r"\u00B5m", "micron", "UM")} == {1.0}
    assert {micrometres(unit) for unit in ("pixel", "", "furlong", "Mm")} == {None}


@pytest.mark.parametrize("size", [PixelSize(0.65 / 3, 0.6), PixelSize(0.65, 0.65), PixelSize(1e-7, 25400 / 300)])
def test_the_exact_text_is_read_again_to_the_last_bit(size: PixelSize) -> None:
    assert PixelSize.parse(size.exact) == size
