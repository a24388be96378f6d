"""A network of one's own images against a stock U-Net and against thresholds, on images that neither has seen.

    python -m benchmarks.own_images
    python -m benchmarks.own_images --quick

README's command trains on each set of `benchmarks.pairs`. As many CPU-seconds as it took in all, from the look at the
files to the last calibration, a U-Net of segmentation_models_pytorch trains with two usual encoders on the same
samples (`benchmarks.alternatives.stock_unet`); where that package is not installed, its rows are missing. Ours answers
through the worker's path. The figures are the mean Dice over the images that were held out of both, of which an empty
one counts 1 where nothing is found and 0 else. One seed and few images: differences under 0.01 mean little.

Then the rate: samples a second of what README's command does, over that of README's command as it was before, `compact`
on samples of 512 px in bfloat16 with Muon, in turns.
"""

import contextlib
import importlib.util
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.filters import threshold_local

from benchmarks.alternatives.stock_unet import LIMITS
from benchmarks.measure import Effort, Row, command, own_cpu_ms, wait_and_measure
from benchmarks.pairs import SETS, PairSet
from shared.images.codec import decode
from shared.images.metrics import dice
from shared.net.predictor import Predictor
from training.beginning import begun
from training.data.open import open_data
from training.evaluation.baselines import otsu
from training.recipe.distributed import distributed_context
from training.recipe.loop import TrainingRun

Mask = NDArray[np.bool_]
_ENCODERS = ("resnet18", "mobilenet_v2")
_BELOW_STOCK = 0.005  # at most
_FASTER = 5.0
_CONFIGS = "training/configs"


def rows(effort: Effort) -> list[Row]:
    """The Dice of each on each set, and the rates."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found: list[Row] = []
        for each in SETS[effort.of(0, 1) : effort.of(len(SETS), 2)]:  # the first one is downloaded
            found += _of_set(each, folder / each.name, effort)
        return found + _rates(folder / SETS[1].name / "pairs", effort)


def _of_set(pairs: PairSet, folder: Path, effort: Effort) -> list[Row]:
    pairs.write(folder, None)
    images = sorted((folder / "batch").iterdir())
    truths = [read_truth(folder / "truth" / path.name) for path in images]

    def row(name: str, masks: Sequence[Mask], **target: float) -> Row:
        scores = [dice(mask, truth) for mask, truth in zip(masks, truths, strict=True)]
        return Row(f"{pairs.name}: {name}", float(np.mean(scores)), "Dice", *np.percentile(scores, (25, 75)), **target)

    run, seconds = _train(pairs, folder, effort)
    predictor = Predictor.load(run, "cpu")
    ours = [predictor.predict_image(_pixels(path)) >= predictor.threshold for path in images]
    stock = {
        f"stock U-Net, {encoder}": _stock_masks(run, encoder, seconds, folder)
        for encoder in (_ENCODERS if importlib.util.find_spec("segmentation_models_pytorch") else ())
    }
    classical = {name: [cut(_pixels(path)) for path in images] for name, cut in _CLASSICAL.items()}
    others = [row(name, masks) for name, masks in {**stock, **classical}.items()]
    aim = max([each.value - (_BELOW_STOCK if "stock" in each.name else 0) for each in others])
    return [
        row("ours", ours, at_least=aim),
        *others,
        Row.of(f"{pairs.name}: spent on each network", "s CPU", [seconds]),
    ]


def _train(pairs: PairSet, folder: Path, effort: Effort) -> tuple[Path, float]:
    """Carry out README's command; return its run, and the CPU-seconds that it took."""
    told = {"data.foreground": pairs.foreground, "threads": 1, "budget.max_images": effort.of(pairs.images, 64)}
    # The images alone are to end it, however busy the machine is.
    told |= {"budget.max_minutes": 600, "validation.every_minutes": effort.of(2, 600)}
    arguments = [f"--set={key}={value}" for key, value in told.items() if value is not None]
    run = folder / "run"
    process = subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", "training.train", "--config", f"{_CONFIGS}/own.yaml", "--data", str(folder / "pairs"),
         "--out", str(run), *arguments],
        stdout=sys.stderr,
    )  # fmt: skip
    return run, wait_and_measure(process)[1]


def _stock_masks(run: Path, encoder: str, seconds: float, folder: Path) -> list[Mask]:
    out = folder / encoder
    module = [sys.executable, "-m", "benchmarks.alternatives.stock_unet", str(run), "--cpu-seconds", str(seconds)]
    subprocess.run(  # noqa: S603 - our own module
        [*module, "--encoder", encoder, "--images", str(folder / "batch"), "--out", str(out)],
        check=True, stdout=sys.stderr,
    )  # fmt: skip
    return [np.load(path) for path in sorted(out.iterdir())]


def read_truth(path: Path) -> Mask:
    """Return what is no background in a mask's file, (H, W)."""
    foreground: Mask = _pixels(path) > 0
    return foreground


def _pixels(path: Path) -> NDArray[np.float32]:
    return decode(path.read_bytes(), limits=LIMITS).pixels.astype(np.float32)


def _otsu(image: NDArray[np.float32]) -> Mask:
    return otsu(image.astype(np.float64))


def _local(image: NDArray[np.float32]) -> Mask:
    """Take what is brighter than the mean of the 101 px around, by at least what Otsu finds in the difference."""
    difference = image - threshold_local(image, 101, method="mean")  # type: ignore[no-untyped-call]
    return otsu(difference.astype(np.float64))


_CLASSICAL: dict[str, Callable[[NDArray[np.float32]], Mask]] = {"Otsu": _otsu, "local threshold": _local}


def _rates(pairs: Path, effort: Effort) -> list[Row]:
    before = [f"{each}" for each in ("precision=bf16", "optimiser.kind=muon")]
    own = _seconds_a_sample(f"{_CONFIGS}/own.yaml", [], pairs, effort.of(20, 2))
    compact = _seconds_a_sample(f"{_CONFIGS}/compact.yaml", before, pairs, effort.of(2, 1))
    return [
        Row.of("README's command", "samples/s CPU", [1 / own]),
        Row.of("README's command as it was, compact in bfloat16", "samples/s CPU", [1 / compact]),
        Row.of("how many times as fast", "ratio", [compact / own], at_least=_FASTER),
    ]


def _seconds_a_sample(config: str, overrides: Sequence[str], pairs: Path, steps: int) -> float:
    """CPU-seconds of this process for a sample of training, without the first step."""
    torch.set_num_threads(1)
    with distributed_context("cpu") as context, contextlib.redirect_stdout(sys.stderr):
        settings, surveyed = begun(Path(config), overrides, pairs, context)
        batch = settings.optimiser.batch_size
        source = open_data(settings.data, seed=0, batch_size=batch, device=context.device, surveyed=surveyed)
        run = iter(TrainingRun(settings, source, context).steps())
        next(run)
        return own_cpu_ms(lambda: next(run), steps) / 1000 / batch


if __name__ == "__main__":
    command(__doc__, rows)
