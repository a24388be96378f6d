"""Pictures of more than one tile, for samples that are shown as the tiles of a large image are.

A tile shows a part: of a shape, of several, or of none, on ground that was levelled and standardised with all of the
picture. So these are drawn on a canvas of twice the side, prepared whole, and cut anywhere.
"""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from shared.synth import apply_noise, sample_noise
from shared.synth.dotblob import DOTBLOB_V1
from shared.synth.field import Field, FieldScene
from shared.synth.field.draws import plain
from shared.synth.field.outlines import Outline
from training.data.preparation import prepare_images

CELLS = 2  # tiles in a row
_ONE_LARGE = 0.08  # share of the pictures that have one shape as large as they are, its dots no larger than ever
_FILLED = 0.45  # share of the cells with a shape, beside the first
_BENCHMARK_NOISE = 0.4  # share of the pictures under dotblob-v1's noise instead of their family's
# Families whose shapes end within their cell and whose pictures keep their size.
_FAMILIES = (
    *("empty", "few-strays", "clutter", "debris", "ramp", "vignette", "patch", "clouds", "lumpy", "lines", "filtered"),
    *("jpeg", "tonal", "hot", "several", "ring", "tiny", "other-dots", "faint"),
)


def wide_tiles(seed: int, count: int, size: int, definition: Field, severity: float) -> tuple[Tensor, Tensor]:
    """Cut `count` tiles from one wide picture: prepared images and masks, float32 (count, 1, size, size).

    Args:
        seed: of the picture and of where it is cut.
        count: number of tiles.
        size: their side in pixels; the picture has `CELLS` times that.
        definition: whose families, but for those held out, give the picture its look.
        severity: scales the noise, in [0, 1].
    """
    rng = np.random.default_rng(seed)
    image, mask = wide_picture(rng, size, definition, severity)
    corners = rng.integers(0, (CELLS - 1) * size, (count, 2), endpoint=True).tolist()
    cut = [(slice(top, top + size), slice(left, left + size)) for top, left in corners]
    return torch.stack([image[None][:, *at] for at in cut]), torch.stack([mask[None][:, *at] for at in cut])


def wide_picture(
    rng: np.random.Generator, size: int, definition: Field, severity: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Draw one, prepared, and its mask: float32 of `CELLS` times `size` px a side."""
    scene = _wide_scene(rng, size, definition)
    rendered = scene.render()
    levels = scene.finish(apply_noise(rendered.clean, scene.own_noise(severity), rng))
    image = prepare_images(torch.from_numpy(levels[None].astype(np.float32)))[0]
    return image, torch.from_numpy(rendered.mask).float()


def _wide_scene(rng: np.random.Generator, size: int, definition: Field) -> FieldScene:
    shares = {name: share for name, share in definition.shares().items() if name in _FAMILIES} or {"empty": 1.0}
    weights = np.array(list(shares.values()))
    look = definition.sample_family(rng, (size, size), str(rng.choice(list(shares), p=weights / weights.sum())))
    scene = _with_one_large(rng, look, size) if rng.random() < _ONE_LARGE else _with_cells(rng, look, size)
    if rng.random() < _BENCHMARK_NOISE:
        scene = scene.evolve(noise=sample_noise(rng, rng.random(), DOTBLOB_V1).steps)
    return scene


def _with_one_large(rng: np.random.Generator, look: FieldScene, size: int) -> FieldScene:
    large = DOTBLOB_V1.sample_scene(rng, size=CELLS * size)
    return look.evolve(
        height=CELLS * size,
        width=CELLS * size,
        outlines=(Outline(large.control_points),),
        dot_centres=large.dot_centres,
        dot_radii=large.dot_radii,
        dot_amplitudes=large.dot_amplitudes,
    )


def _with_cells(rng: np.random.Generator, look: FieldScene, size: int) -> FieldScene:
    places = [(x * size, y * size) for x in range(CELLS) for y in range(CELLS)]
    rng.shuffle(places)
    others = [plain(rng, (size, size)) for _ in places[1:] if rng.random() < _FILLED]
    each = [_moved(scene, place) for scene, place in zip([look, *others], places, strict=False)]
    return look.evolve(
        height=CELLS * size,
        width=CELLS * size,
        outlines=tuple(outline for scene in each for outline in scene.outlines),
        dot_centres=tuple(centre for scene in each for centre in scene.dot_centres),
        dot_radii=tuple(radius for scene in each for radius in scene.dot_radii),
        dot_amplitudes=tuple(amplitude for scene in each for amplitude in scene.dot_amplitudes),
    )


def _moved(scene: FieldScene, by: tuple[int, int]) -> FieldScene:
    def shift(points: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
        return tuple((x + by[0], y + by[1]) for x, y in points)

    outlines = tuple(replace(outline, control_points=shift(outline.control_points)) for outline in scene.outlines)
    return scene.evolve(outlines=outlines, dot_centres=shift(scene.dot_centres))
