"""The torch twins of the kinds of noise, and noise on batches. See `shared.synth.noise` for the parameters."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from shared.synth import Definition, NoiseParameters, NoiseStep

_QUANTILES = 2**18  # entries of the table that Poisson counts are looked up in


def noise_uniforms(definition: Definition) -> int:
    """Return the number of uniforms that one sample's noise is a function of."""
    return 3 + 2 * len(definition.kinds)


def draw_noise(
    units: NDArray[np.float64], definition: Definition, severity: float, mixed_prob: float | None, clean_share: float
) -> list[NoiseParameters]:
    """Draw noise for each row of uniforms (N, noise_uniforms); a `clean_share` of the rows get none.

    `mixed_prob` None is the definition's own.
    """
    mixed = definition.mixed_prob if mixed_prob is None else mixed_prob
    return [_draw(row.tolist(), definition, severity, mixed, clean_share) for row in units]


def _draw(
    units: list[float], definition: Definition, severity: float, mixed_prob: float, clean_share: float
) -> NoiseParameters:
    is_clean, is_mixed, choice, *others = units
    if is_clean < clean_share:
        return NoiseParameters("none")
    order = definition.mixed_order
    keys, strengths = others[: len(order)], others[len(order) :]
    if is_mixed < mixed_prob:
        low, high = definition.mixed_kinds
        count = low + int(choice * (high - low + 1))
        kind = "mixed"
        elements = [order[i] for i in sorted(sorted(range(len(order)), key=keys.__getitem__)[:count])]
    else:
        kind = definition.kinds[int(choice * len(definition.kinds))].name
        elements = [kind]
    steps = (
        NoiseStep(k, definition.kind(k).strength_at(severity * u)) for k, u in zip(elements, strengths, strict=False)
    )
    return NoiseParameters(kind, tuple(steps))


def apply_noise(clean: Tensor, parameters: Sequence[NoiseParameters], pixel_seeds: Sequence[int]) -> Tensor:
    """Make noisy images, float32 (N, H, W) of the whole numbers 0 to 255, from clean ones (N, H, W) in [0, 1].

    Each sample's pixels come from a generator of its own, so they do not depend on the rest of the batch.
    """
    images = clean.clone()
    scratch = torch.empty_like(clean[0])
    generator = torch.Generator(clean.device)
    for image, noise, seed in zip(images, parameters, pixel_seeds, strict=True):
        if noise.steps:
            generator.manual_seed(seed)
        for step in noise.steps:
            NOISE_TWINS[step.kind](image, step.strength, scratch, generator)
    return images.clamp_(0.0, 1.0).mul_(255).round_()


def _gaussian(image: Tensor, sigma: float, scratch: Tensor, generator: torch.Generator) -> None:
    image.add_(scratch.normal_(generator=generator), alpha=sigma)


def _speckle(image: Tensor, sigma: float, scratch: Tensor, generator: torch.Generator) -> None:
    image.addcmul_(image, scratch.normal_(generator=generator), value=sigma)


def _poisson(image: Tensor, photons: float, scratch: Tensor, generator: torch.Generator) -> None:
    if image.device.type == "cpu":
        _poisson_on_cpu(image, photons, generator)
    else:
        torch.mul(image, photons, out=scratch)
        image.copy_(torch.poisson(scratch, generator=generator)).div_(photons)


def _poisson_on_cpu(image: Tensor, photons: float, generator: torch.Generator) -> None:
    # Most pixels share one intensity, the background's. Their counts are looked up by a random index in a table of
    # the distribution's quantiles, a tenth of the time that the sampler takes for all of them; its steps are
    # one pixel of an image of 512×512.
    background = image.amin()
    counts = _poisson_quantiles(photons * background.item())
    index = torch.empty(image.shape, dtype=torch.int32).random_(0, _QUANTILES, generator=generator)
    brighter = (image > background).flatten().nonzero().squeeze(1)
    bright_counts = torch.poisson(photons * image.flatten()[brighter], generator=generator)
    flat = image.flatten()  # a view: an image of a batch is contiguous
    torch.index_select(counts, 0, index.flatten(), out=flat)
    flat[brighter] = bright_counts
    flat /= photons


def _poisson_quantiles(mean: float) -> Tensor:
    """Return the count at each of _QUANTILES evenly spaced probabilities, float32."""
    k = np.arange(1, int(mean + 12 * mean**0.5) + 30)
    cumulative = np.cumsum(np.exp(-mean) * np.cumprod(np.concatenate(([1.0], mean / k))))
    ends = np.minimum(np.rint(cumulative * _QUANTILES), _QUANTILES).astype(np.int64)
    ends[-1] = _QUANTILES
    lengths = torch.from_numpy(np.diff(ends, prepend=0))
    return torch.arange(len(ends), dtype=torch.float32).repeat_interleave(lengths, output_size=_QUANTILES)


def _salt_pepper(image: Tensor, share: float, scratch: Tensor, generator: torch.Generator) -> None:
    unit = scratch.uniform_(generator=generator)
    torch.where(unit < share, (unit >= share / 2).float(), image, out=image)


NOISE_TWINS: dict[str, Callable[[Tensor, float, Tensor, torch.Generator], None]] = {
    "gaussian": _gaussian,
    "poisson": _poisson,
    "speckle": _speckle,
    "salt_pepper": _salt_pepper,
}
"""The twin of each kind in `shared.synth.KINDS`, by its name.

`twin(image, strength, scratch, generator)` changes one image (H, W) in place; `scratch` is of its shape, to work in.
"""
