"""Fits what a network knows of noise before it is trained: `shared.net.likelihood`'s table of ratios from a histogram.

For that no images are needed, only many noises of the task, and for each of them values of the ground and of dots under
it. Of a histogram mixed of both, the table says how far each value speaks for a dot. What it is fitted to is the
probability of telling dots from ground, pixel by pixel, at even chances: the ratio is what maximises it.
"""

import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from shared.net.likelihood import LEVELS, DotLikelihood, quantise
from shared.synth import Definition
from training.config import LikelihoodConfig
from training.data.synthesis.noise import apply_noise, draw_noise, noise_uniforms

_COLUMNS = 512
_IMAGE_ROWS, _GROUND_ROWS, _DOT_ROWS = 96, 32, 32  # of values: the ground in the image, and what is asked for
_GROUND_ALONE = 0.1  # share of the histograms without a dot, as of a tile of a large image
_DOT_SHARE = (3e-4, 0.1)  # of the pixels
_EDGE_SHARE, _MIN_COVERAGE = 0.2, 0.3  # of the dots' pixels are on an edge, and covered from so much on
_INVERTED_SHARE = 0.15  # dark dots on light ground
_WEAKER_SHARE, _CLEAN_SHARE = 0.15, 0.05  # of the noises are drawn at a lower severity; are none
_STREAM = 5  # of a run's seed
_AT_ONCE = 8  # noises simulated together
_SCARCE = 3e-3  # information (nats) below which a histogram counts for less


def fit(
    likelihood: DotLikelihood,
    config: LikelihoodConfig,
    definition: Definition,
    *,
    seed: int,
    stop: Callable[[], bool] = lambda: False,
) -> float | None:
    """Fit the table in place, on its device, to the definition's dots and noises.

    The same arguments give the same table on one machine.

    Returns the share of the information on dots that the table loses, over a tenth of the histograms that it is not
    fitted on: somewhat more than it does, since it is compared with ratios that know their very pixels. None where
    `stop` ended it early.
    """
    parts = []
    for part in _simulated(config.histograms, seed, definition):
        if stop():
            return None
        parts.append(part)
    held_out = max(config.histograms // 10, 1)
    device = next(likelihood.parameters()).device
    histograms, dots, ground = (torch.cat(each).to(device) for each in zip(*parts, strict=True))
    generator = torch.Generator().manual_seed(seed)
    steps = max(config.passes * (len(histograms) - held_out) // config.batch_size, 1)
    likelihood.requires_grad_(True)
    try:
        optimiser = torch.optim.AdamW(likelihood.parameters(), lr=config.lr, weight_decay=config.weight_decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.lr, total_steps=steps, pct_start=0.1)
        for _ in range(steps):
            if stop():
                return None
            chosen = torch.randint(held_out, len(histograms), (config.batch_size,), generator=generator).to(device)
            loss = _lost(likelihood, histograms[chosen], dots[chosen], ground[chosen]).mean()
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
    finally:
        likelihood.requires_grad_(False)
    with torch.no_grad():
        return float(_lost(likelihood, *(each[:held_out] for each in (histograms, dots, ground))).mean())


def _lost(likelihood: DotLikelihood, histograms: Tensor, dots: Tensor, ground: Tensor) -> Tensor:
    """Return the share of the information that the table's ratios lose, (N,). All arguments are (N, LEVELS)."""
    loss = _cross_entropy(likelihood.ratios(histograms), dots, ground)
    smoothing = 1e-6
    known = torch.log((dots + smoothing) / (ground + smoothing)).clamp(-8, 8)
    least = _cross_entropy(known, dots, ground)
    return (loss - least) / (2 * math.log(2) - least + _SCARCE)


def _cross_entropy(ratios: Tensor, dots: Tensor, ground: Tensor) -> Tensor:
    return (dots * F.softplus(-ratios) + ground * F.softplus(ratios)).sum(1)


def _simulated(count: int, seed: int, definition: Definition) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield parts of `count` histograms: an image's, and the shares of dots' and ground's values, (N, LEVELS) each."""
    for first in range(0, count, _AT_ONCE):
        size = min(_AT_ONCE, count - first)
        yield _simulate(np.random.default_rng((seed, _STREAM, first)), size, definition)


def _simulate(rng: np.random.Generator, count: int, definition: Definition) -> tuple[Tensor, Tensor, Tensor]:
    d = definition
    background, contrast = (rng.uniform(*bounds, (count, 1, 1)) for bounds in (d.background, d.contrast))
    amplitude = rng.uniform(*d.amplitude, (count, _DOT_ROWS, _COLUMNS))
    covered = np.where(rng.random(amplitude.shape) < _EDGE_SHARE, rng.uniform(_MIN_COVERAGE, 1, amplitude.shape), 1.0)
    ground = np.broadcast_to(background, (count, _IMAGE_ROWS + _GROUND_ROWS, _COLUMNS))
    clean = np.concatenate([ground, background + contrast * amplitude * covered], 1)
    severities = np.where(rng.random(count) < _WEAKER_SHARE, rng.random(count), 1.0)
    noise = [
        draw_noise(rng.random((1, noise_uniforms(d))), d, severity, d.mixed_prob, clean_share=_CLEAN_SHARE)[0]
        for severity in severities
    ]
    values = apply_noise(torch.from_numpy(clean).float(), noise, rng.integers(2**32, size=count).tolist())
    inverted = torch.from_numpy(rng.random(count) < _INVERTED_SHARE)
    values[inverted] = 255 - values[inverted]
    low, high = np.log(_DOT_SHARE)
    shares = np.exp(rng.uniform(low, high, count)) * (rng.random(count) >= _GROUND_ALONE)
    return _counted(values, shares)


def _counted(values: Tensor, dot_shares: NDArray[np.float64]) -> tuple[Tensor, Tensor, Tensor]:
    """Count histograms of values (N, rows, columns), on the levels of an image that has such a share of dots."""
    found = []
    for each, share in zip(values, dot_shares, strict=True):
        image, ground, dots = (part.flatten() for part in torch.split(each, [_IMAGE_ROWS, _GROUND_ROWS, _DOT_ROWS]))
        image[: round(share * len(image))] = dots[: round(share * len(image))]
        # An image's own extremes span its levels; what is asked for was not in it.
        low, high = image.amin(), image.amax()
        asked = torch.cat([image, ground.clamp(low, high), dots.clamp(low, high)])
        levels = quantise((asked - image.mean())[None] / image.std().clamp(min=1e-6))[0]
        parts = torch.split(levels, [len(image), len(ground), len(dots)])
        found.append([torch.bincount(part, minlength=LEVELS)[:LEVELS].float() / len(part) for part in parts])
    histograms, ground, dots = (torch.stack(each) for each in zip(*found, strict=True))
    return histograms, dots, ground
