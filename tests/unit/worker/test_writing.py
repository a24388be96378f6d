import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from shared.db.reasons import Reason
from shared.images.normalise import standardise
from shared.synth import synthesise, synthesise_family
from worker.explaining import explain
from worker.writing import is_writing

_WORDS = [
    "Lines",
    "of",
    "writing",
    "have",
    "empty",
    "rows",
    "between",
    "them",
    "a",
    "shape",
    "of",
    "dots",
    "has",
    "not",
]


def page(seed: int, *, size: int, spacing: float, noise: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    image = Image.new("L", (600, 500), 235)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(size)
    for top in range(20, 480, round(size * spacing)):
        words = " ".join(rng.choice(_WORDS, size=round(600 / size / 3)))
        draw.text((20, top), words, fill=20, font=font)
    return np.asarray(image, dtype=np.float32) + rng.normal(0, noise, (500, 600)).astype(np.float32)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("size", [9, 14, 24])
@pytest.mark.parametrize("spacing", [1.3, 2.0])
def test_a_page_is_told(seed: int, size: int, spacing: float) -> None:
    shown = page(seed, size=size, spacing=spacing, noise=12)
    assert is_writing(shown)
    assert is_writing(255 - shown)
    assert explain(standardise(shown)) is Reason.WRITING


@pytest.mark.parametrize("severity", [0.0, 0.3])
def test_dots_light_or_dark_are_no_writing(severity: float) -> None:
    shown = [synthesise(seed, severity=severity).image.astype(np.float32) for seed in range(20)]
    assert not any(is_writing(image) or is_writing(255 - image) for image in shown)


@pytest.mark.parametrize("family", ["lines", "margin", "several", "filled", "clutter", "tiny"])
def test_what_else_pictures_have_is_no_writing(family: str) -> None:
    assert not any(is_writing(synthesise_family(seed, family).image.astype(np.float32)) for seed in range(8))
