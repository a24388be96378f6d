"""One picture that shows a batch at a glance: a row an image, from the input to the mask and its Dice."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from shared.images.heatmap import MAGMA, display_grey, heatmap

HEADINGS = ("input", "truth", "probability", "mask", "Dice")

_GAP, _MARGIN = 10, 24  # px
_HEADING_HEIGHT, _LEGEND_HEIGHT, _TEXT_WIDTH = 34, 40, 230  # px
# Pillow's own font has Latin letters and little else.
_FONT_LACKS = str.maketrans({"×": "x", "–": "-"})
_PAPER, _TILE, _INK, _FAINT = (250, 250, 248), (228, 228, 224), (28, 28, 30), (120, 120, 124)


@dataclass(frozen=True, eq=False)
class ContactRow:
    """One image of the sheet; what is None leaves its place empty."""

    title: str
    source: NDArray[Any]  # H×W, uint8 shown as it is, floats stretched
    truth: NDArray[np.bool_] | None = None  # H×W
    probability: NDArray[np.float32] | None = None  # H×W, in [0, 1]
    mask: NDArray[np.bool_] | None = None  # H×W
    dice: float | None = None
    caption: str = ""


def contact_sheet(rows: Sequence[ContactRow], tile: int = 192) -> Image.Image:
    """Draw `rows` under their column headings; `tile` is the side in px of the square each picture fits in."""
    columns = len(HEADINGS) - 1
    width = 2 * _MARGIN + columns * (tile + _GAP) + _TEXT_WIDTH
    height = 2 * _MARGIN + _HEADING_HEIGHT + len(rows) * (tile + _GAP) + _LEGEND_HEIGHT
    sheet = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for column, heading in enumerate(HEADINGS):
        draw.text((_MARGIN + column * (tile + _GAP), _MARGIN), heading, _INK, _font(18))
    for number, row in enumerate(rows):
        top = _MARGIN + _HEADING_HEIGHT + number * (tile + _GAP)
        for column, picture in enumerate(_pictures(row)):
            _place(sheet, picture, _MARGIN + column * (tile + _GAP), top, tile)
        _describe(draw, row, _MARGIN + columns * (tile + _GAP), top, tile)
    _legend(sheet, _MARGIN + 2 * (tile + _GAP), height - _MARGIN - _LEGEND_HEIGHT + _GAP, tile)
    return sheet


def _pictures(row: ContactRow) -> tuple[NDArray[np.uint8] | None, ...]:
    return (
        row.source if row.source.dtype == np.uint8 else display_grey(row.source),
        None if row.truth is None else _black_and_white(row.truth),
        None if row.probability is None else heatmap(row.probability),
        None if row.mask is None else _black_and_white(row.mask),
    )


def _black_and_white(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    return mask.astype(np.uint8) * np.uint8(255)


def _place(sheet: Image.Image, picture: NDArray[np.uint8] | None, left: int, top: int, tile: int) -> None:
    """Fit a picture into its tile, proportions kept; an empty tile where there is none."""
    draw = ImageDraw.Draw(sheet)
    draw.rectangle((left, top, left + tile - 1, top + tile - 1), _TILE)
    if picture is None:
        draw.text((left + tile // 2, top + tile // 2), "none", _FAINT, _font(14), anchor="mm")
        return
    height, width = picture.shape[:2]
    scale = tile / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    # Averaging on the way down shows noise as it looks from afar; small images keep their square pixels.
    resampling = Image.Resampling.BOX if scale < 1 else Image.Resampling.NEAREST
    fitted = Image.fromarray(picture).resize(size, resampling)
    sheet.paste(fitted, (left + (tile - size[0]) // 2, top + (tile - size[1]) // 2))


def _describe(draw: ImageDraw.ImageDraw, row: ContactRow, left: int, top: int, tile: int) -> None:
    score = "-" if row.dice is None else f"{row.dice:.3f}"
    draw.text((left, top + tile // 2 - 34), score, _INK, _font(34), anchor="lm")
    draw.text((left, top + tile // 2 + 6), _one_line(row.title, _font(16)), _INK, _font(16), anchor="lm")
    draw.text((left, top + tile // 2 + 30), _one_line(row.caption, _font(13)), _FAINT, _font(13), anchor="lm")


def _one_line(text: str, font: ImageFont.FreeTypeFont) -> str:
    """`text` on one line that fits beside its row, control characters shown as a dot."""
    printable = "".join(character if character.isprintable() else "·" for character in text.translate(_FONT_LACKS))
    if font.getlength(printable) <= _TEXT_WIDTH:
        return printable
    while printable and font.getlength(printable + "…") > _TEXT_WIDTH:
        printable = printable[:-1]
    return printable + "…"


def _legend(sheet: Image.Image, left: int, top: int, width: int) -> None:
    """The colours of the probability column, from 0 to 1."""
    scale = Image.fromarray(MAGMA[None]).resize((width, 8), Image.Resampling.BILINEAR)
    sheet.paste(scale, (left, top))
    draw = ImageDraw.Draw(sheet)
    draw.text((left, top + 12), "0", _FAINT, _font(13))
    draw.text((left + width, top + 12), "1", _FAINT, _font(13), anchor="ra")


def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise RuntimeError("Pillow was built without FreeType: install Pillow from its wheel")
    return font
