"""A stock U-Net of segmentation_models_pytorch from scratch, as its users train it: AdamW on Dice + cross-entropy.

    python -m benchmarks.alternatives.stock_unet RUN --cpu-seconds 60 --encoder resnet18 --images batch --out masks

It gets the samples of a run of ours, cut and varied alike, for as many CPU-seconds, on one thread, in float32; and the
images that are tried whole, prepared as ours. Their masks are written as arrays of bool.
"""

import argparse
import math
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from shared.images.preparation import prepare
from shared.net.checkpoint import load_checkpoint
from training.config import TrainingConfig
from training.data.open import open_data
from training.data.pairs.reading import read_image
from training.data.source import Batch, DataSource, NoiseLevel

_LR = 1e-3
_MULTIPLE = 32  # px, of the sides that its encoders take


def main() -> int:
    """Train, and write the masks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="the checkpoint of a run of ours, whose samples are taken")
    parser.add_argument("--cpu-seconds", type=float, required=True)
    parser.add_argument("--encoder", default="resnet18")
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    config = TrainingConfig.model_validate(load_checkpoint(options.run).metadata.training["config"])
    source = open_data(
        config.data,
        seed=config.seed,
        batch_size=config.optimiser.batch_size,
        device=torch.device("cpu"),
        channels=config.model.channels,
    )
    net, seen = _trained(source, options.encoder, options.cpu_seconds)
    options.out.mkdir(parents=True, exist_ok=True)
    for path in sorted(options.images.iterdir()):
        np.save(options.out / f"{path.stem}.npy", _mask(net, path, config.model.channels))
    print(f"{options.encoder}: {seen} samples")
    return 0


def _trained(source: DataSource, encoder: str, seconds: float) -> tuple[torch.nn.Module, int]:
    """Return a network that was trained for these CPU-seconds, and how many samples it saw."""
    import segmentation_models_pytorch as smp

    torch.manual_seed(0)
    batches = _endless(source)
    first = next(batches)
    net: Any = smp.Unet(encoder, encoder_weights=None, in_channels=first.images.shape[1], classes=1)
    optimiser = torch.optim.AdamW(net.parameters(), lr=_LR)
    dice, entropy = smp.losses.DiceLoss("binary"), torch.nn.BCEWithLogitsLoss()
    started, seen, batch = time.process_time(), 0, first
    while (share := (time.process_time() - started) / seconds) < 1:
        for group in optimiser.param_groups:
            group["lr"] = _LR * (1 + math.cos(math.pi * share)) / 2
        logits = net(batch.images)
        loss = dice(logits, batch.masks) + entropy(logits, batch.masks)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        seen += len(batch.images)
        batch = next(batches)
    return net.eval(), seen


def _endless(source: DataSource) -> Iterator[Batch]:
    for epoch in count():
        yield from source.batches(epoch, NoiseLevel())


@torch.inference_mode()
def _mask(net: torch.nn.Module, path: Path, channels: int) -> NDArray[np.bool_]:
    image = prepare(read_image(path, channels).pixels).image
    planes = image if image.ndim == 3 else image[None]
    height, width = image.shape[-2:]
    padded = np.pad(planes, ((0, 0), (0, -height % _MULTIPLE), (0, -width % _MULTIPLE)), mode="reflect")
    mask: NDArray[np.bool_] = net(torch.from_numpy(padded)[None])[0, 0, :height, :width].numpy() > 0
    return mask


if __name__ == "__main__":
    sys.exit(main())
