"""A sheet of pairs to look at before anything is trained: each image with the outline of its mask."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from shared.images.heatmap import display_grey, overlay
from training.data.pairs.reading import read_pair
from training.data.pairs.survey import PairFacts, Survey

_COLUMNS, _TILE, _GAP, _TEXT = 6, 220, 8, 30  # px
_PAPER, _INK, _WARNING = (250, 250, 248), (28, 28, 30), (170, 30, 30)
_MOST = 24
_LETTERS = 36


def draw_sheet(survey: Survey, most: int = _MOST) -> Image.Image:
    """Draw pairs with the outlines of their masks; suspects first, then others from all over the folder.

    Args:
        survey: of a folder whose masks can be read.
        most: pairs that are drawn.
    """
    chosen = choose(survey, most)
    rows = -(-len(chosen) // _COLUMNS)
    size = (_COLUMNS * (_TILE + _GAP) + _GAP, max(rows, 1) * (_TILE + _TEXT + _GAP) + _GAP)
    sheet = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, (facts, suspicion) in enumerate(chosen):
        left = _GAP + number % _COLUMNS * (_TILE + _GAP)
        top = _GAP + number // _COLUMNS * (_TILE + _TEXT + _GAP)
        pixels, mask = read_pair(facts.pair, survey.rules)
        picture = Image.fromarray(overlay(display_grey(pixels), mask))
        picture.thumbnail((_TILE, _TILE), Image.Resampling.BOX)
        sheet.paste(picture, (left, top))
        draw.text((left, top + _TILE + 2), _short(facts.pair.name), _INK)
        told = f"{facts.foreground:.1%}  {suspicion}" if suspicion else f"{facts.foreground:.1%}"
        draw.text((left, top + _TILE + 15), _short(told), _WARNING if suspicion else _INK)
    return sheet


def choose(survey: Survey, most: int) -> Sequence[tuple[PairFacts, str]]:
    """Choose pairs, with what is suspected of them: half at most of what is shown are suspects, if there are others."""
    reasons = {name: kind for kind, names in survey.suspects.items() for text in names for name in text.split(" = ")}
    suspects = [each for each in survey.facts if each.pair.name in reasons]
    others = [each for each in survey.facts if each.pair.name not in reasons]
    shown = suspects[: max(most // 2, most - len(others))]
    places = np.unique(np.linspace(0, len(others) - 1, min(most - len(shown), len(others))).round().astype(int))
    return [(each, reasons[each.pair.name]) for each in shown] + [(others[place], "") for place in places]


def _short(text: str) -> str:
    plain = "".join(letter if letter.isascii() and letter.isprintable() else "?" for letter in text)
    return plain if len(plain) <= _LETTERS else plain[: _LETTERS - 1] + "~"
