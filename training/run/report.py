"""The pictures of a run: losses, Dice by epoch, Dice against the strength of noise, and samples with their masks."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import nn

from shared.images.preparation import prepare
from shared.synth import KINDS, Definition, find_definition
from training.config import TrainingConfig
from training.data.source import Batch
from training.evaluation.scoring import generate
from training.evaluation.sets import EvaluationCase, strata_cases
from training.run.monitor import Monitor

_STRATUM_SCENES = 16
_SHEET_SAMPLES = 8
Curves = Mapping[str, Mapping[float, float]]
"""Dice by kind of noise and strength."""


def write_report(
    folder: Path, config: TrainingConfig, records: Sequence[Mapping[str, Any]], net: nn.Module, monitor: Monitor
) -> list[Path]:
    """Write the run's pictures as PNG files; return their paths.

    `net` is in eval mode on the monitor's device. Dice against noise is measured here, on a few scenes of the
    benchmark's strata at the config's size, and only where the network was trained on synthetic scenes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    figures = {"losses": plot_losses(records), "dice": plot_dice(records), "samples": plot_samples(net, monitor)}
    if config.data.kind == "synthetic":
        figures["noise"] = plot_noise(
            noise_curves(net, monitor, find_definition(config.data.definition), config.data.size)
        )
    paths = []
    for name, figure in figures.items():
        paths.append(folder / f"{name}.png")
        figure.savefig(paths[-1], dpi=100)
    return paths


def plot_losses(records: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw the loss and its terms over the run."""
    return _lines(records, {"loss": "loss", "dice": "Dice", "bce": "BCE", "boundary": "boundary Tversky"}, "loss")


def plot_dice(records: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw the validation scores over the run."""
    names = {"val_dice": "val Dice", "clean_dice": "clean Dice", "val_precision": "precision", "val_recall": "recall"}
    return _lines(records, names, "held-out samples")


def noise_curves(
    net: nn.Module, monitor: Monitor, definition: Definition, size: int, scenes: int = _STRATUM_SCENES
) -> Curves:
    """Measure Dice for every kind and strength of the benchmark's strata, on this many scenes of size × size."""
    curves: dict[str, dict[float, float]] = {kind: {} for kind in KINDS}
    for kind, strength, cases in strata_cases(scenes):
        batches = _case_batches(cases, definition, size, monitor.context.device)
        curves[kind][strength] = monitor.means(net, batches)["dice"]
    return curves


def plot_noise(curves: Curves) -> Figure:
    """Draw one curve for each kind of noise, the strongest noise on the right."""
    figure = Figure(figsize=(11, 3), layout="constrained")
    for axes, (kind, curve) in zip(figure.subplots(1, len(curves), sharey=True), curves.items(), strict=True):
        axes.plot(list(curve), list(curve.values()), marker="o")
        axes.set(xlabel=f"{KINDS[kind].label}, {KINDS[kind].symbol}", ylim=(0, 1))
        axes.axhline(0.8, color="grey", linewidth=0.8, linestyle=":")
        axes.grid(alpha=0.3)
        if KINDS[kind].is_logarithmic:
            axes.set_xscale("log")
        if KINDS[kind].is_falling:
            axes.invert_xaxis()
    figure.axes[0].set_ylabel("Dice")
    return figure


def plot_samples(net: nn.Module, monitor: Monitor) -> Figure:
    """Draw held-out images with the outline of the truth (green) and of the prediction (red)."""
    batches = iter(monitor.sets["val"])
    images, masks = next(batches)
    for more_images, more_masks in islice(batches, _SHEET_SAMPLES // len(images)):
        images, masks = torch.cat([images, more_images]), torch.cat([masks, more_masks])
    shown = min(len(images), _SHEET_SAMPLES)
    images, masks = images[:shown], masks[:shown]
    with torch.inference_mode():
        probabilities = torch.sigmoid(torch.cat([net(image[None]) for image in images]).float())
    figure = Figure(figsize=(12, 3 * -(-shown // 4)), layout="constrained")
    grid = np.atleast_1d(figure.subplots(-(-shown // 4), min(shown, 4))).ravel()
    for axes in grid:
        axes.set_axis_off()
    for axes, *maps in zip(grid, images, masks, probabilities, strict=False):
        image, mask, probability = (one[0].cpu().numpy() for one in maps)
        axes.imshow(image, cmap="gray")
        for field, colour in ((mask, "lime"), (probability, "red")):
            if field.min() < 0.5 < field.max():
                axes.contour(field, levels=[0.5], colors=colour, linewidths=1)
    return figure


def _lines(records: Sequence[Mapping[str, Any]], names: Mapping[str, str], label: str) -> Figure:
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    # By epoch where each has its record, else by images.
    unit = "epoch" if len({record["epoch"] for record in records}) == len(records) else "images"
    for name, title in names.items():
        points = [(record[unit], record[name]) for record in records if name in record]
        if points:
            axes.plot(*zip(*points, strict=True), label=title, marker="." if len(points) < 30 else None)
    axes.set(xlabel=unit, ylabel=label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def _case_batches(
    cases: Sequence[EvaluationCase], definition: Definition, size: int, device: torch.device, batch_size: int = 8
) -> Iterator[Batch]:
    for first in range(0, len(cases), batch_size):
        samples = [generate(case, definition, size) for case in cases[first : first + batch_size]]
        images = np.stack([prepare(sample.image).image for sample in samples])
        masks = np.stack([sample.mask.astype(np.float32) for sample in samples])
        yield Batch(torch.from_numpy(images)[:, None].to(device), torch.from_numpy(masks)[:, None].to(device))
