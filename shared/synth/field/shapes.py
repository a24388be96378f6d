"""The shapes of field-v1 that dotblob-v1 has not."""

import numpy as np

from shared.synth.field.draws import (
    REFERENCE_PX,
    Draw,
    Shape,
    base_noise,
    camera_noise,
    scene,
    shorter_side,
    uniform,
    usual,
)
from shared.synth.field.outlines import Outline, apart, as_outline, blob
from shared.synth.field.scene import FieldScene


def several(low: int, high: int, *, gap_px: float = 4.0) -> Draw:
    """Return what draws so many shapes, at least a gap apart."""

    def draw(rng: np.random.Generator, shape: Shape) -> FieldScene:
        count = int(rng.integers(low, high, endpoint=True))
        unit = shorter_side(shape) / count**0.5
        outlines = apart(rng, shape, count, radius_px=(0.14 * unit, 0.32 * unit), gap_px=gap_px)
        return scene(rng, shape, outlines, counts=(14 * len(outlines), 55 * len(outlines)))

    return draw


def ring(low: float, high: float) -> Draw:
    """Return what draws a shape with a hole of that share of it."""

    def draw(rng: np.random.Generator, shape: Shape) -> FieldScene:
        side = shorter_side(shape)
        points = blob(rng, shape, radius_px=(0.22 * side, 0.34 * side))
        return scene(rng, shape, (as_outline(points, uniform(rng, low, high)),), counts=(40, 130))

    return draw


def thin(rng: np.random.Generator, shape: Shape) -> FieldScene:
    """Draw a long and thin shape."""
    side = shorter_side(shape)
    points = blob(rng, shape, radius_px=(0.14 * side, 0.26 * side), aspect=uniform(rng, 2.5, 7.0))
    return scene(rng, shape, (as_outline(points),), counts=(20, 80))


def tiny(rng: np.random.Generator, shape: Shape) -> FieldScene:
    """Draw a shape of 24 to 72 px."""
    points = blob(rng, shape, radius_px=(12.0, 36.0))
    return scene(rng, shape, (as_outline(points),), counts=(10, 30), radius_px=(1.5, 4.0), most=0.4)


def huge(rng: np.random.Generator, shape: Shape) -> FieldScene:
    """Draw a shape larger than dotblob-v1's."""
    points = blob(rng, shape, radius_px=(0.4 * shorter_side(shape), 0.7 * shorter_side(shape)))
    return scene(rng, shape, (as_outline(points),), counts=(50, 300))


def cut(rng: np.random.Generator, shape: Shape) -> FieldScene:
    """Draw a shape that the border cuts, as the tiles of a large image do."""
    unit = min(REFERENCE_PX, shorter_side(shape))
    edge = int(rng.integers(4))
    along, beyond = uniform(rng, 0, 1), uniform(rng, -0.12, 0.25) * unit
    height, width = shape
    centre = [(along * width, beyond), (along * width, height - beyond), (beyond, along * height)][edge % 3]
    if edge == 3:
        centre = (width - beyond, along * height)
    points = blob(rng, shape, radius_px=(0.16 * unit, 0.36 * unit), centre=centre)
    return scene(rng, shape, (as_outline(points),), counts=(10, 60))


def filled(rng: np.random.Generator, shape: Shape) -> FieldScene:
    """Draw the inside of a shape that is larger than the picture, as the tiles of a large image show it."""
    height, width = shape
    corners = ((-60.0, -60.0), (width + 60.0, -60.0), (width + 60.0, height + 60.0), (-60.0, height + 60.0))
    return scene(rng, shape, (Outline(corners),), counts=(60, 220))


def other_dots(rng: np.random.Generator, shape: Shape) -> FieldScene:
    """Draw fewer, more, smaller or larger dots than dotblob-v1 has."""
    which = rng.integers(4)
    outlines = usual(rng, shape)
    if which == 0:
        return scene(rng, shape, outlines, counts=(7, 14), most=0.4)
    if which == 1:
        return scene(rng, shape, outlines, counts=(80, 420))
    if which == 2:
        return scene(rng, shape, outlines, radius_px=(1.0, 2.2), most=0.4)
    return scene(rng, shape, outlines, radius_px=(6.0, 14.0))


def faint(rng: np.random.Generator, shape: Shape) -> FieldScene:
    """Draw dots that one can just see, so that faint and absent are told apart."""
    parameters = scene(rng, shape, usual(rng, shape), amplitude=(0.25, 0.6))
    return parameters.evolve(noise=camera_noise(rng) if rng.random() < 0.6 else base_noise(rng, most=0.5))


def crescent(rng: np.random.Generator, shape: Shape) -> FieldScene:
    """Draw a crescent."""
    side = shorter_side(shape)
    angles = np.linspace(0.35, 2 * np.pi - 0.35, 10)
    outer, inner = 0.3 * side, 0.19 * side
    there = np.column_stack([np.cos(angles), np.sin(angles)]) * outer
    back = np.column_stack([np.cos(angles[::-1]), np.sin(angles[::-1])]) * inner + [0.05 * side, 0]
    turn = rng.uniform(0, 2 * np.pi)
    points = np.concatenate([there, back]) @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    middle = np.array([shape[1], shape[0]]) / 2 + rng.uniform(-0.1, 0.1, 2) * side
    return scene(rng, shape, (as_outline(points + middle),), counts=(40, 90))
