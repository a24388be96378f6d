"""Score a network on cases of the benchmark: synthesise, segment, compare."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from shared.images import metrics
from shared.images.normalise import standardise
from shared.synth import Sample, synthesise
from training.evaluation.sets import Case
from training.evaluation.silhouettes import silhouette_sample

Probability = NDArray[np.float32]
Scores = dict[str, float]


def quick_scores(probability: Probability, truth: NDArray[np.bool_], threshold: float) -> Scores:
    """Dice alone: what a training run watches and the strata report."""
    return {"dice": metrics.dice(probability >= threshold, truth)}


def full_scores(probability: Probability, truth: NDArray[np.bool_], threshold: float) -> Scores:
    """Everything that the benchmark reports for one image."""
    prediction = probability >= threshold
    return {
        "dice": metrics.dice(prediction, truth),
        "iou": metrics.iou(prediction, truth),
        "precision": metrics.precision(prediction, truth),
        "recall": metrics.recall(prediction, truth),
        "boundary_f1": metrics.boundary_f1(prediction, truth),
        "hausdorff95": metrics.hausdorff95(prediction, truth),
        "ece_by_image": metrics.expected_calibration_error(probability, truth),
    }


def segment(
    net: nn.Module, samples: Sequence[Sample], device: torch.device, precision: str = "fp32"
) -> list[Probability]:
    """Probability maps, float32 (H, W), of samples of one size; `net` is in eval mode."""
    images = np.stack([standardise(sample.image.astype(np.float32)) for sample in samples])
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
        logits = net(torch.from_numpy(images)[:, None].to(device, memory_format=torch.channels_last))
    return list(torch.sigmoid(logits[:, 0].float()).cpu().numpy())


def generate(case: Case, size: int = 512) -> Sample:
    """The case's image and truth."""
    if case.shape is not None:
        return silhouette_sample(case, size)
    return synthesise(case.seed, size=size, severity=case.severity, noise=case.noise)


def summarise(scores: Iterable[Mapping[str, float]]) -> Scores:
    """Mean of every score, the 10th percentile of Dice beside it, and the number of images."""
    rows = list(scores)
    summary = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    summary["dice_p10"] = float(np.percentile([row["dice"] for row in rows], 10))
    summary["images"] = len(rows)
    return summary
