"""`shared.images.preparation.prepare` for a batch of images on the training device, but for frames.

Frames are not looked for: who draws one knows where it is, and makes it zeros afterwards.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from shared.images import ground
from shared.images.ground import Blocks
from shared.images.preparation import prepare
from training.data.standardisation import standardise_batch


def prepare_images(images: Tensor) -> Tensor:
    """Prepare images (N, H, W), float32 of whole numbers from 0 to 255: on a CPU each by the worker's own code."""
    if images.device.type != "cpu":
        return prepare_batch(images)
    return torch.from_numpy(np.stack([prepare(image).image for image in images.to(torch.uint8).numpy()]))


def prepare_batch(images: Tensor) -> Tensor:
    """Images (N, H, W), float32 in any units, each flattened where its ground is uneven, and standardised.

    Agrees with `prepare` within 1e-3 deviations: sums run in another order.
    """
    blocks = Blocks.of(images.shape[1], images.shape[2])
    if min(len(blocks.rows), len(blocks.columns)) < ground.MIN_BLOCKS:
        return standardise_batch(images)
    with torch.no_grad():
        levels, noise, contrast = _first_look(images, blocks)
        levels, scale = _median_of_neighbours(levels), torch.maximum(noise, contrast)
        suspected = (_unevenness(levels, scale) >= ground.SUSPICION).nonzero()[:, 0]
        if not len(suspected):
            return standardise_batch(images)
        some = images[suspected]
        under, is_uneven = _grounds(some, _Grid(levels[suspected], blocks), noise[suspected], scale[suspected])
        flattened = images.clone()
        flattened[suspected[is_uneven]] = (some[is_uneven] - under[is_uneven]).float()
        return standardise_batch(flattened)


@dataclass(frozen=True, eq=False)
class _Grid:
    """Grounds known at the centres of blocks: (N, rows of blocks, columns of blocks), float64."""

    levels: Tensor
    blocks: Blocks

    def at(self, rows: np.ndarray, columns: np.ndarray) -> Tensor:
        """The grounds at these rows and columns of pixels, (N, rows, columns)."""
        down, across = (
            torch.from_numpy(ground.interpolation(positions, centres)).to(self.levels.device)
            for positions, centres in zip((rows, columns), self.blocks.centres, strict=True)
        )
        return down @ self.levels @ across.T

    def under(self, images: Tensor) -> Tensor:
        """The grounds under all pixels."""
        return self.at(np.arange(images.shape[1]), np.arange(images.shape[2]))


def _grounds(images: Tensor, grid: _Grid, noise: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """The grounds under these images, (N, H, W), and which of them are to be taken away."""
    is_uneven = torch.ones(len(images), dtype=torch.bool, device=images.device)
    for _ in range(2):
        grid, is_seen = _seen_closer(images, grid, grid.blocks, noise)
        is_uneven &= is_seen
    is_uneven &= _unevenness(grid.levels, scale) >= ground.MIN_UNEVENNESS
    under = grid.under(images)
    goes_on = is_uneven
    for side in ground.FINER:
        finer, is_seen = _seen_closer(images, grid, Blocks.of(images.shape[1], images.shape[2], side), noise)
        before = grid.at(*finer.blocks.centres)
        goes_on = goes_on & is_seen & (_unevenness(finer.levels - before, scale) >= ground.MIN_FINER)
        if not goes_on.any():
            break
        under = torch.where(goes_on[:, None, None], finer.under(images), under)
        grid = finer
    return under, is_uneven


def _first_look(images: Tensor, blocks: Blocks) -> tuple[Tensor, Tensor, Tensor]:
    """The blocks' levels, (N, rows, columns), and each image's noise and contrast, (N,), float64."""
    step = ground.STEP
    down, across = (np.arange(step // 2, side, step) for side in (blocks.height, blocks.width))
    rows, columns = (
        torch.from_numpy((starts[:, None] + offsets).ravel()).to(images.device)
        for starts, offsets in ((blocks.rows, down), (blocks.columns, across))
    )
    pixels = images.index_select(1, rows).index_select(2, columns)
    pixels = pixels.view(len(images), len(blocks.rows), len(down), len(blocks.columns), len(across)).transpose(2, 3)
    ordered = pixels.flatten(3).sort(dim=3).values.double()
    count = ordered.shape[3]
    levels = ordered[..., 3 * count // 8 : -(-5 * count // 8)].mean(3)
    spreads = (ordered[..., 3 * count // 4] - ordered[..., count // 4]).flatten(1)
    return levels, spreads.quantile(0.5, dim=1) * ground.TO_DEVIATION, ordered.flatten(1).std(1, correction=0)


def _seen_closer(images: Tensor, grid: _Grid, blocks: Blocks, noise: Tensor) -> tuple[_Grid, Tensor]:
    """The grounds from all pixels that lie within the noise of these, and whether an image has enough of them, (N,)."""
    reach = ground.CLIP * noise + 0.25 * grid.levels.flatten(1).std(1, correction=0)
    rest = images.double() - grid.under(images)
    kept = rest.abs() <= reach[:, None, None]
    down, across = (
        _membership(starts, side, length).to(images.device)
        for starts, side, length in zip(
            (blocks.rows, blocks.columns), (blocks.height, blocks.width), images.shape[1:], strict=True
        )
    )
    counts = down @ kept.double() @ across.T
    sums = down @ torch.where(kept, rest, 0.0) @ across.T
    share = counts / (blocks.height * blocks.width)
    usual = ground.MIN_OF_USUAL * share.flatten(1).quantile(0.75, dim=1)
    is_ground = share >= usual.clamp(min=ground.MIN_GROUND)[:, None, None]
    is_seen = is_ground.flatten(1).any(1)
    before = grid.at(*blocks.centres)
    levels = (before + sums / counts.clamp(min=1)).masked_fill(~is_ground, torch.nan)
    levels = torch.where(is_seen[:, None, None], levels, before)
    return _Grid(_median_of_neighbours(_filled(levels)), blocks), is_seen


def _membership(starts: np.ndarray, side: int, length: int) -> Tensor:
    """1 where a pixel is in a block, (blocks, pixels)."""
    offsets = np.arange(length) - starts[:, None]
    return torch.from_numpy(((offsets >= 0) & (offsets < side)).astype(np.float64))


def _unevenness(levels: Tensor, scale: Tensor) -> Tensor:
    deviations = levels.flatten(1).std(1, correction=0)
    return torch.where(scale > 0, deviations / scale, 0.0)


def _filled(levels: Tensor) -> Tensor:
    while (unknown := levels.isnan()).any():
        around = torch.nn.functional.pad(levels, (1, 1, 1, 1), value=torch.nan)
        levels = torch.where(unknown, torch.stack(_neighbours(around)).nanmean(0), levels)
    return levels


def _median_of_neighbours(levels: Tensor) -> Tensor:
    padded = _with_beyond(_with_beyond(levels).mT).mT
    return torch.stack(_neighbours(padded)).sort(dim=0).values[4]


def _with_beyond(levels: Tensor) -> Tensor:
    first, last = 2 * levels[:, :1] - levels[:, 1:2], 2 * levels[:, -1:] - levels[:, -2:-1]
    return torch.cat([first, levels, last], 1)


def _neighbours(padded: Tensor) -> list[Tensor]:
    height, width = padded.shape[1] - 2, padded.shape[2] - 2
    return [padded[:, row : row + height, column : column + width] for row in range(3) for column in range(3)]
