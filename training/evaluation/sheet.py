"""A picture of the worst answers: a row for each kind of pictures, the truth's outline and the answer's over each."""

import heapq
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from shared.images.heatmap import display_grey
from shared.images.metrics import boundary
from training.evaluation.field_cases import Kind, Picture
from training.evaluation.results import Result
from training.evaluation.segmenting import Segmentation

WORST = 10
"""Pictures of each kind."""

_TILE, _GAP, _HEAD, _FOOT = 176, 8, 26, 20  # px
TRUTH, ANSWER = (0, 229, 120), (255, 60, 200)
"""Colours of the outlines."""

_PAPER, _INK = (250, 250, 248), (28, 28, 30)
_LEGEND = "truth in green, answer in magenta"


@dataclass(order=True)
class _Tile:
    badness: float
    name: str
    caption: str = field(compare=False)
    picture: Image.Image = field(compare=False)


class WorstAnswers:
    """Keeps the worst answers of each kind of pictures; a `training.evaluation.results.Keep`."""

    def __init__(self) -> None:
        self._rows: dict[Kind, list[_Tile]] = {}

    def __call__(self, picture: Picture, segmentation: Segmentation, result: Result) -> None:
        """Keep the picture if it is among the worst of its kind so far."""
        badness = result.foreground if result.dice is None else 1 - result.dice
        caption = f"{result.foreground:.0%} foreground" if result.dice is None else f"Dice {result.dice:.3f}"
        self.keep(picture, segmentation, badness=badness, caption=caption)

    def keep(self, picture: Picture, segmentation: Segmentation, *, badness: float, caption: str) -> None:
        """Keep the picture under this caption if it is among the worst of its kind so far."""
        row = self._rows.setdefault(picture.kind, [])
        if len(row) == WORST and badness <= row[0].badness:
            return
        tile = _Tile(badness, picture.name, caption, _outlined(picture, segmentation))
        (heapq.heappush if len(row) < WORST else heapq.heappushpop)(row, tile)

    def sheet(self) -> Image.Image:
        """Draw what was kept, the worst on the left."""
        height = _HEAD + _TILE + _FOOT
        size = WORST * (_TILE + _GAP) + _GAP, max(len(self._rows), 1) * height
        sheet = Image.new("RGB", size, _PAPER)
        draw = ImageDraw.Draw(sheet)
        for number, (kind, row) in enumerate(self._rows.items()):
            top = number * height
            title = f"{kind.group}: {kind.name}{' (never trained on)' * kind.is_held_out}    {_LEGEND}"
            draw.text((_GAP, top + _HEAD // 2), title, _INK, _font(15), anchor="lm")
            for column, tile in enumerate(sorted(row, reverse=True)):
                left = _GAP + column * (_TILE + _GAP)
                sheet.paste(tile.picture, (left, top + _HEAD))
                at = (left, top + _HEAD + _TILE + _FOOT // 2)
                draw.text(at, f"{tile.caption}  {tile.name}", _INK, _font(12), anchor="lm")
        return sheet


def _font(size: int) -> ImageFont.FreeTypeFont:
    """One that has the Greek letters of noise, which Pillow's own lacks."""
    return ImageFont.truetype(Path(mpl.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"), size)


def _outlined(picture: Picture, segmentation: Segmentation) -> Image.Image:
    """Draw both outlines over the picture, at the size of a tile."""
    grey = np.asarray(_fitted(display_grey(segmentation.image)))
    shown = np.repeat(grey[..., None], 3, axis=2)
    shown[_outline(picture.truth)] = TRUTH
    shown[_outline(segmentation.mask)] = ANSWER
    return Image.fromarray(shown)


def _outline(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return boundary(np.asarray(_fitted(mask.astype(np.uint8) * np.uint8(255))) > 127)


def _fitted(grey: NDArray[np.uint8]) -> Image.Image:
    scale = _TILE / max(grey.shape)
    size = max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale))
    return Image.fromarray(grey).resize(size, Image.Resampling.BOX if scale < 1 else Image.Resampling.NEAREST)
