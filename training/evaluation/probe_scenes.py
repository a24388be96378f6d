"""The scenes that probes show: those of dotblob-v1 under a camera's noise, and each with one thing changed.

All probes of a seed show the same shape, dots, ground and grain, so that their scores can be compared in pairs.
"""

import itertools
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from shared.synth import NoiseStep, sample_noise
from shared.synth.blobs import BlobOutline, blob_mask, sample_control_points
from shared.synth.dotblob import DOTBLOB_V1
from shared.synth.dots import sample_centres
from shared.synth.scene import Point
from training.evaluation.field_cases import FieldScene, Outline, Step

Change = Callable[[FieldScene, np.random.Generator], FieldScene]
"""Makes a probe of a base scene; what it draws comes from the generator, which is the seed's and the probe's."""

CELL_PX = DOTBLOB_V1.canvas_px

_SCENE, _NOISE, _GRAIN, _CHANGE = range(4)  # streams of a seed
_CAMERA_PHOTONS, _CAMERA_SIGMA = (10.0, 100.0), (0.02, 0.15)
_SEVERITY = 0.5  # of the benchmark's noise, where it is filtered or compressed
_TINY = 20 / (0.25 * CELL_PX)  # times as large as usual: 40 px across
_GAP_PX, _ATTEMPTS = 4.0, 50


def base_scene(seed: int, size: int = CELL_PX) -> FieldScene:
    """Draw a scene of dotblob-v1, size × size px, under a camera's noise: 10 to 100 photons, and reading them out."""
    scene = DOTBLOB_V1.sample_scene(np.random.default_rng((seed, _SCENE)), size=size)
    rng = np.random.default_rng((seed, _NOISE))
    return FieldScene(
        family="probe",
        height=size,
        width=size,
        background=scene.background,
        contrast=scene.contrast,
        outlines=(Outline(scene.control_points),),
        dot_centres=scene.dot_centres,
        dot_radii=scene.dot_radii,
        dot_amplitudes=scene.dot_amplitudes,
        noise=(_log_uniform(rng, "poisson", _CAMERA_PHOTONS), _log_uniform(rng, "gaussian", _CAMERA_SIGMA)),
        grain=int(np.random.default_rng((seed, _GRAIN)).integers(2**32)),
    )


def changed(seed: int, change: Change) -> FieldScene:
    """Draw the base scene of a seed with one thing changed."""
    return change(base_scene(seed), np.random.default_rng((seed, _CHANGE)))


def of_size(size: int) -> Change:
    """Return the change to a scene of that many pixels a side, drawn as such, its dots as large as ever."""

    def change(_: FieldScene, rng: np.random.Generator) -> FieldScene:
        return base_scene(int(rng.integers(2**32)), size)

    return change


def empty(*noise: NoiseStep) -> Change:
    """Return the change to ground alone under this noise."""
    return lambda base, _: _without_shape(base).evolve(noise=noise)


def empty_camera(stray_dots: int = 0) -> Change:
    """Return the change to ground under its camera's noise, with a few dots anywhere."""

    def change(base: FieldScene, rng: np.random.Generator) -> FieldScene:
        everywhere = np.ones((base.height, base.width), dtype=np.bool_)
        return _with_dots(_without_shape(base), everywhere, stray_dots, 0.0, rng)

    return change


def hot_pixel(base: FieldScene, rng: np.random.Generator) -> FieldScene:
    """One pixel at full contrast on a blank ground."""
    row, column = rng.integers(0, base.height), rng.integers(0, base.width)
    at = ((float(column) + 0.5, float(row) + 0.5),)
    blank = _without_shape(base).evolve(noise=())
    return blank.evolve(dot_centres=at, dot_radii=(0.5,), dot_amplitudes=(1.0,))


def empty_benchmark(base: FieldScene, rng: np.random.Generator) -> FieldScene:
    """Ground under noise of the val set."""
    return _without_shape(base).evolve(noise=_benchmark_noise(rng, 1.0))


def clutter(share: float) -> Change:
    """Return the change that strews dots on the ground, at this share of the density inside of the shape."""

    def change(base: FieldScene, rng: np.random.Generator) -> FieldScene:
        mask = blob_mask(np.array(base.outlines[0].control_points), base.width)
        ground = mask.size - np.count_nonzero(mask)
        count = rng.poisson(share * len(base.dot_radii) * ground / (mask.size - ground))
        return _with_dots(base, ~mask, int(count), 0.0, rng)

    return change


def ramp(rise: float) -> Change:
    """Return the change to a ground that rises towards one side by that much of the range."""
    return lambda base, rng: base.evolve(light=(Step("ramp", (rise, rng.uniform(0, 2 * np.pi))),))


def patch(height: float) -> Change:
    """Return the change to a ground with a Gaussian patch of light of that height, anywhere."""

    def change(base: FieldScene, rng: np.random.Generator) -> FieldScene:
        sigma = rng.uniform(0.1, 0.25)
        return base.evolve(light=(Step("patch", (height, rng.random(), rng.random(), sigma, sigma)),))

    return change


def ground(*steps: Step) -> Change:
    """Return the change to a ground of these effects."""
    return lambda base, _: base.evolve(light=steps)


def lumps(*steps: Step) -> Change:
    """Return the change to noise whose pixels hang together, in place of the camera's."""
    return lambda base, _: base.evolve(light=steps, noise=())


def half_severity(*levels: Step) -> Change:
    """Return the change to the benchmark's noise at severity 0.5, and what is done to the 8-bit image then."""
    return lambda base, rng: base.evolve(noise=_benchmark_noise(rng, _SEVERITY), levels=levels)


def page(margin_px: int) -> Change:
    """Return the change to a picture on a white page, which shows on all sides of it."""

    def change(base: FieldScene, _: np.random.Generator) -> FieldScene:
        wide = moved(base, (margin_px, margin_px), base.width + 2 * margin_px)
        return wide.evolve(levels=(Step("frame", (255.0, *[float(margin_px)] * 4)),))

    return change


def framed(width_px: int) -> Change:
    """Return the change to a picture whose outermost pixels are white."""
    return lambda base, _: base.evolve(levels=(Step("frame", (255.0, *[float(width_px)] * 4)),))


def alone_in(size: int) -> Change:
    """Return the change to a picture of that many pixels a side, with the one shape anywhere in it."""

    def change(base: FieldScene, rng: np.random.Generator) -> FieldScene:
        x, y = (int(place) for place in rng.integers(0, size - base.width, 2, endpoint=True))
        return moved(base, (x, y), size)

    return change


def cells(filled: int) -> Change:
    """Return the change to 3×3 cells as large as a scene, so many of them filled."""

    def change(base: FieldScene, rng: np.random.Generator) -> FieldScene:
        places = rng.permutation(9)[:filled].tolist()
        others = [base_scene(int(rng.integers(2**32))) for _ in places[1:]]
        corners = [((place % 3) * CELL_PX, (place // 3) * CELL_PX) for place in places]
        each = [moved(scene, corner, 3 * CELL_PX) for scene, corner in zip([base, *others], corners, strict=True)]
        return _together(each)

    return change


def several(count: int) -> Change:
    """Return the change to so many shapes apart from each other, each with 15 to 45 dots."""

    def change(base: FieldScene, rng: np.random.Generator) -> FieldScene:
        share = count**-0.5
        outlines = _apart(lambda: _control_points(base.width, share, rng), count)
        return _together([_filled(base, outline, share, int(rng.integers(15, 45)), rng) for outline in outlines])

    return change


def tiny(base: FieldScene, rng: np.random.Generator) -> FieldScene:
    """One shape of 40 px with 15 dots of a radius of 2 to 4 px."""
    outline = _control_points(base.width, _TINY, rng)
    small = _filled(base, outline, _TINY, 15, rng)
    return small.evolve(dot_radii=tuple(rng.uniform(2, 4, 15).tolist()))


def moved(scene: FieldScene, by: tuple[int, int], size: int) -> FieldScene:
    """Return the scene in a picture of size × size px, moved by (x, y)."""

    def shift(points: Sequence[Point]) -> tuple[Point, ...]:
        return tuple((x + by[0], y + by[1]) for x, y in points)

    outlines = tuple(Outline(shift(outline.control_points), outline.hole) for outline in scene.outlines)
    return scene.evolve(width=size, height=size, outlines=outlines, dot_centres=shift(scene.dot_centres))


def _control_points(size: int, share: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw the outline of a blob that is `share` times as large as the benchmark's: (n, 2) of (x, y)."""
    d = DOTBLOB_V1
    radius = (d.base_radius[0] * share, d.base_radius[1] * share)
    outline = BlobOutline(
        control_points=d.control_points, angle_jitter=d.angle_jitter, base_radius=radius, radius_factor=d.radius_factor
    )
    return sample_control_points(rng, size, outline, d.margin_px)


def _apart(draw: Callable[[], NDArray[np.float64]], count: int) -> list[NDArray[np.float64]]:
    """Draw outlines until so many lie in circles that do not touch, all anew where there is no room left."""
    found: list[NDArray[np.float64]] = []
    for attempt in itertools.count(1):
        outline = draw()
        if all(_gap(outline, other) >= _GAP_PX for other in found):
            found.append(outline)
        if len(found) == count:
            break
        if attempt % _ATTEMPTS == 0:
            found.clear()
    return found


def _gap(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """How far the circles around two outlines are apart, px."""
    centres = [points.mean(axis=0) for points in (one, other)]
    reaches = [np.hypot(*(points - centre).T).max() for points, centre in zip((one, other), centres, strict=True)]
    return float(np.hypot(*(centres[0] - centres[1])) - sum(reaches))


def _filled(
    base: FieldScene, outline: NDArray[np.float64], share: float, count: int, rng: np.random.Generator
) -> FieldScene:
    """Return the base scene with another outline in place of its own, and so many dots in it."""
    d = DOTBLOB_V1
    jitter = rng.uniform(*d.jitter) * share * base.width
    shape = base.evolve(outlines=(Outline(_points(outline)),), dot_centres=(), dot_radii=(), dot_amplitudes=())
    return _with_dots(shape, blob_mask(outline, base.width), count, jitter, rng)


def _with_dots(
    scene: FieldScene, where: NDArray[np.bool_], count: int, jitter_px: float, rng: np.random.Generator
) -> FieldScene:
    """Return the scene with further dots, drawn as the benchmark draws them."""
    d = DOTBLOB_V1
    return scene.evolve(
        dot_centres=(*scene.dot_centres, *_points(sample_centres(rng, where, count, jitter_px))),
        dot_radii=(*scene.dot_radii, *rng.uniform(*d.dot_radius_px, count).tolist()),
        dot_amplitudes=(*scene.dot_amplitudes, *rng.uniform(*d.amplitude, count).tolist()),
    )


def _together(scenes: Sequence[FieldScene]) -> FieldScene:
    """Return the first scene with the shapes and dots of all."""
    return scenes[0].evolve(
        outlines=tuple(outline for scene in scenes for outline in scene.outlines),
        dot_centres=tuple(centre for scene in scenes for centre in scene.dot_centres),
        dot_radii=tuple(radius for scene in scenes for radius in scene.dot_radii),
        dot_amplitudes=tuple(amplitude for scene in scenes for amplitude in scene.dot_amplitudes),
    )


def _without_shape(base: FieldScene) -> FieldScene:
    return base.evolve(outlines=(), dot_centres=(), dot_radii=(), dot_amplitudes=())


def _benchmark_noise(rng: np.random.Generator, severity: float) -> tuple[NoiseStep, ...]:
    return sample_noise(rng, severity, DOTBLOB_V1).steps


def _log_uniform(rng: np.random.Generator, kind: str, bounds: tuple[float, float]) -> NoiseStep:
    return NoiseStep(kind, float(np.exp(rng.uniform(*np.log(bounds)))))


def _points(pairs: NDArray[np.float64]) -> tuple[Point, ...]:
    return tuple((float(x), float(y)) for x, y in pairs)
