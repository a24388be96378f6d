"""Pictures that no definition makes: what a familiar picture is told from when scores are fitted.

None of them is real, so that real ones stay for evaluation. They have what real ones have: things before things at all
sizes, edges, textures, gratings, writing, slow light, at any contrast, in focus or out of it. Most are of the dead
leaves model, whose edges and sizes are distributed as those of photographs (Lee, Mumford and Huang 2001).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage
from scipy.special import expit

Picture = NDArray[np.float32]
Draw = Callable[[np.random.Generator, int], Picture]


def stranger(seed: int, size: int) -> NDArray[np.uint8]:
    """Draw a picture of size × size px.

    Args:
        seed: the same one gives the same picture.
        size: in pixels.
    """
    rng = np.random.default_rng(seed)
    kinds, shares = zip(*_KINDS.items(), strict=True)
    picture = kinds[rng.choice(len(kinds), p=shares)](rng, size)
    if rng.random() < 0.3:
        picture = picture + rng.uniform(0.1, 0.6) * _scaled(field(rng, size))
    if rng.random() < 0.5:
        picture = ndimage.gaussian_filter(picture, np.exp(rng.uniform(np.log(0.5), np.log(4))))
    picture = _scaled(picture) ** np.exp(rng.uniform(-0.7, 0.7))
    if rng.random() < 0.5:
        picture = picture + rng.normal(0, np.exp(rng.uniform(np.log(0.005), np.log(0.3))), picture.shape)
    low, high = sorted(rng.uniform(0, 1, 2))
    high = max(high, low + 0.2)
    levels: NDArray[np.uint8] = np.rint(255 * np.clip(low + (high - low) * picture, 0, 1)).astype(np.uint8)
    return levels


def dead_leaves(rng: np.random.Generator, size: int) -> Picture:
    """Things before things: discs, boxes and polygons of sizes 1/r³, each of one grey, some with a texture."""
    image = Image.new("F", (size, size), float(rng.random()))
    draw = ImageDraw.Draw(image)
    smallest, largest = np.exp(rng.uniform(np.log(2), np.log(20))), rng.uniform(0.15, 0.6) * size
    count = int(rng.integers(100, 1500))
    # Inverse of the distribution function of a density in r^-3 between the two.
    radii = (smallest**-2 + rng.random(count) * (largest**-2 - smallest**-2)) ** -0.5
    corners = int(rng.integers(2, 8))
    for x, y, radius, grey in zip(*rng.uniform(0, size, (2, count)), radii, rng.random(count), strict=True):
        if corners == 2:
            draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=float(grey))
        else:
            angles = np.sort(rng.uniform(0, 2 * np.pi, corners + 1))
            points = [(x + radius * np.cos(angle), y + radius * np.sin(angle)) for angle in angles]
            draw.polygon(points, fill=float(grey))
    return np.asarray(image, dtype=np.float32)


def field(rng: np.random.Generator, size: int) -> Picture:
    """A field of amplitude 1/f^a, or of one band of frequencies, in steps where chance has it."""
    down, right = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None]
    frequency = np.hypot(down, right * np.exp(rng.uniform(-1, 1)))
    frequency[0, 0] = 1.0
    if rng.random() < 0.5:
        gain = frequency ** -rng.uniform(0.6, 2.0)
    else:
        gain = np.exp(-((np.log(frequency / np.exp(rng.uniform(np.log(0.01), np.log(0.25)))) / 0.3) ** 2))
    noise = np.fft.rfft2(rng.standard_normal((size, size)))
    made: Picture = np.fft.irfft2(noise * gain, (size, size)).astype(np.float32)
    if rng.random() < 0.4:
        made = (made > np.quantile(made, rng.uniform(0.2, 0.9))).astype(np.float32)
    return made


def cells(rng: np.random.Generator, size: int) -> Picture:
    """A mosaic of cells about points, by grey, by distance or by their walls."""
    points = rng.uniform(0, size, (int(np.exp(rng.uniform(np.log(8), np.log(600)))), 2)).astype(int)
    seeds = np.ones((size, size), dtype=bool)
    seeds[points[:, 0], points[:, 1]] = False
    distances, (rows, columns) = ndimage.distance_transform_edt(seeds, return_indices=True)
    owner = rows * size + columns
    kind = rng.integers(3)
    if kind == 0:
        made: Picture = rng.random(size * size)[owner].astype(np.float32)
    elif kind == 1:
        made = distances.astype(np.float32)
    else:
        walls = (owner != np.roll(owner, 1, 0)) | (owner != np.roll(owner, 1, 1))
        made = ndimage.gaussian_filter(walls.astype(np.float32), rng.uniform(0.5, 2))
    return made


def things(rng: np.random.Generator, size: int) -> Picture:
    """A few large things with soft or hard edges on plain ground, shaded, alike or each of its own grey."""
    made = np.zeros((size, size), dtype=np.float32)
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    alike, shaded, outlined = rng.random(3) < 0.5
    grey, edge, radius = rng.uniform(0.3, 1), np.exp(rng.uniform(np.log(0.5), np.log(12))), rng.uniform(0.04, 0.35)
    for _ in range(rng.integers(1, 13)):
        if not alike:
            grey, radius = rng.uniform(0.3, 1), rng.uniform(0.04, 0.35)
        down, right = rows - rng.uniform(0, size), columns - rng.uniform(0, size)
        angle = np.arctan2(down, right)
        lobes = sum(rng.normal(0, 0.25 / n) * np.cos(n * angle + rng.uniform(0, 2 * np.pi)) for n in range(1, 7))
        depth = radius * size * (1 + lobes) - np.hypot(down, right * rng.uniform(0.5, 1))
        inside = expit(np.clip(depth / edge, -30, 30))
        if outlined:
            inside = 4 * inside * (1 - inside)
        made += (inside - made * inside) * (grey * (np.clip(depth / size, 0, 1) * 4 + 0.2) if shaded else grey)
    return made


def grating(rng: np.random.Generator, size: int) -> Picture:
    """Waves or boards of one or two directions, soft or hard."""
    rows, columns = np.mgrid[:size, :size].astype(np.float32)
    made = np.zeros((size, size), dtype=np.float32)
    for _ in range(rng.integers(1, 3)):
        angle, period = rng.uniform(0, np.pi), np.exp(rng.uniform(np.log(4), np.log(size / 2)))
        made += np.sin(2 * np.pi * (rows * np.cos(angle) + columns * np.sin(angle)) / period)
    return np.sign(made) if rng.random() < 0.5 else made


def writing(rng: np.random.Generator, size: int) -> Picture:
    """Lines of strokes as words make them, dark on light or light on dark."""
    image = Image.new("F", (size, size), 1.0)
    draw = ImageDraw.Draw(image)
    height = int(rng.integers(6, 40))
    for top in range(int(rng.integers(0, height)), size, round(height * rng.uniform(1.4, 2.2))):
        left = int(rng.integers(0, size // 6))
        while left < size - height:
            for _ in range(rng.integers(2, 9)):  # letters of a word
                points = [
                    (left + rng.uniform(0, 0.5) * height, top + rng.uniform(0, 1) * height)
                    for _ in range(rng.integers(2, 5))
                ]
                draw.line(points, fill=float(rng.uniform(0, 0.2)), width=max(height // 9, 1))
                left += round(0.6 * height)
            left += round(rng.uniform(0.3, 0.8) * height)
            if rng.random() < 0.05:
                break
    made = np.asarray(image, dtype=np.float32)
    return 1 - made if rng.random() < 0.3 else made


def fibres(rng: np.random.Generator, size: int) -> Picture:
    """Curves of all lengths and widths, as neurites, vessels and hairs."""
    image = Image.new("F", (size, size), 0.0)
    draw = ImageDraw.Draw(image)
    for _ in range(rng.integers(5, 120)):
        place, angle = rng.uniform(0, size, 2), rng.uniform(0, 2 * np.pi)
        points = [tuple(place)]
        for _ in range(rng.integers(5, 60)):
            angle += rng.normal(0, 0.3)
            place = place + 8 * np.array([np.cos(angle), np.sin(angle)])
            points.append(tuple(place))
        draw.line(points, fill=float(rng.uniform(0.3, 1)), width=int(rng.integers(1, 7)))
    return np.asarray(image, dtype=np.float32)


def _scaled(picture: Picture) -> Picture:
    span = float(np.ptp(picture))
    return (picture - picture.min()) / span if span else np.zeros_like(picture)


_KINDS: dict[Draw, float] = {
    dead_leaves: 0.3, field: 0.14, cells: 0.1, grating: 0.06, writing: 0.12, fibres: 0.1, things: 0.18,
}  # fmt: skip
