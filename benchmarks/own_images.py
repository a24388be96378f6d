"""A network of one's own images against a stock U-Net and against thresholds, on images that none of them has seen.

    make bench-own                                        # and the table into docs/own-images.md
    make bench-own ARGS="--seconds 600 --keep own-bench"  # begun again, it goes on where it was
    python -m benchmarks.own_images --quick               # only shows that it runs

README's command trains on each set of `benchmarks.pairs`, for about --seconds of one core. As many CPU-seconds as it
took in all, from the look at the files to the last picture, a U-Net of segmentation_models_pytorch trains from scratch
on the same samples with a usual encoder (`benchmarks.alternatives.stock_unet`). Ours answers as in a worker. Figures
are the mean Dice over images that were held out of both; an empty one counts 1 where nothing is made up, and 0 else.
One seed and few images: differences under 0.01 mean little.
"""

import argparse
import contextlib
import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.filters import threshold_local

from benchmarks.machine import described
from benchmarks.measure import end_cleanly, own_cpu_ms, wait_and_measure
from benchmarks.pairs import SETS, PairSet
from shared.commandline import ExitCode, Parser, ended
from shared.config import CHECKOUT
from shared.errors import UsageError
from shared.net.predictor import Predictor
from training.beginning import begun
from training.data.open import open_data
from training.data.pairs.reading import read_image
from training.evaluation.baselines import otsu
from training.evaluation.markdown_table import table
from training.evaluation.markers import Markers
from training.evaluation.segmenting import segment
from training.evaluation.worth import worth
from training.recipe.distributed import distributed_context
from training.recipe.loop import TrainingRun

MARKERS = Markers("bench-own")
ENCODERS = ("resnet18", "mobilenet_v2")
_CONFIG = CHECKOUT / "training" / "configs" / "own.yaml"
_STEPS = 4  # that tell how long a sample takes
_OVERHEAD = 15.0  # CPU-seconds of a run beside its steps: imports, the look at the files, pictures
_LOCAL_PX = 101  # of a side of the window of the local threshold
_QUICK_SECONDS = 1.0

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Found:
    """What came of one set: mean Dice by what answered, in the order of the table, and what each network was given."""

    name: str
    images: int
    dice: Mapping[str, float]
    seconds: float  # of CPU


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    parser = Parser("benchmarks.own_images", __doc__ or "", formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [each.name for each in SETS]
    parser.add_argument("--sets", nargs="+", choices=names, default=names, metavar="SET", help=f"of {', '.join(names)}")
    parser.add_argument("--seconds", type=float, default=120.0, help="of CPU, for each network (default: 120)")
    parser.add_argument("--wheel", type=Path, help="the wheel of the real nuclei, in place of a download")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep sets, runs and masks there, to go on with")
    parser.add_argument("--into", type=Path, help="put the table between the markers in this file")
    parser.add_argument("--quick", action="store_true", help="only show that it runs; the figures mean nothing")
    options = parser.parse_args(arguments)
    end_cleanly()
    return ended("benchmarks.own_images", lambda: _run(options))


def _run(options: argparse.Namespace) -> int:
    if importlib.util.find_spec("segmentation_models_pytorch") is None:
        raise UsageError("segmentation_models_pytorch is not installed: `make bench-own` installs it")
    torch.set_num_threads(1)
    chosen = [each for each in SETS if each.name in options.sets]
    seconds = _QUICK_SECONDS if options.quick else options.seconds
    found: list[Found] = []
    with tempfile.TemporaryDirectory(prefix="delineate-own-images-") as temporary:
        for each in chosen:
            folder = (options.keep or Path(temporary)) / each.name.replace(" ", "-")
            found.append(_of_set(each, folder, seconds, options.wheel))
            if options.into and not options.quick:
                MARKERS.insert(options.into, document(found, described()))
    print(document(found, described()), end="")
    return ExitCode.SUCCEEDED


def document(found: Sequence[Found], about: Mapping[str, object]) -> str:
    """Write what was found as Markdown.

    Args:
        found: at least one set, all with the same names of what answered.
        about: of the machine, see `benchmarks.machine.described`.
    """
    rows = [[name, *(f"{each.dice[name]:.3f}" for each in found)] for name in found[0].dice]
    rows.append(["CPU-seconds of each network", *(f"{each.seconds:.0f}" for each in found)])
    head = ["Dice", *(f"{each.name}, {each.images} images" for each in found)]
    origin = f"{about['date']}, commit {str(about['commit'])[:10]}, one thread of {about['cpu']}"
    return f"{table(head, rows)}\n\n`make bench-own`, {origin}.\n"


def _of_set(pairs: PairSet, folder: Path, seconds: float, wheel: Path | None) -> Found:
    if not (folder / "batch").is_dir():
        pairs.write(folder, wheel)
    run, spent = _train(pairs, folder, seconds)
    predictor = Predictor.load(run, "cpu")
    images = sorted((folder / "batch").iterdir())
    truths = [np.asarray(read_image(folder / "truth" / path.name).pixels > 0) for path in images]

    def score(name: str, masks: Sequence[Mask]) -> float:
        mean = float(np.mean([worth(mask, truth) for mask, truth in zip(masks, truths, strict=True)]))
        _say(f"{pairs.name}: {name} {mean:.3f}")
        return mean

    answers = [segment(predictor, [read_image(path, predictor.intake.channels).pixels]) for path in images]
    dice = {"ours, README's command": score("ours", [answer.mask for [answer] in answers])}
    for encoder in ENCODERS:
        dice[f"stock U-Net, {encoder}"] = score(encoder, _stock_masks(run, encoder, spent, folder))
    for name, cut in CLASSICAL.items():
        masks = [cut(np.asarray(read_image(path).pixels, np.float64)) for path in images]
        # People look which side is theirs; so dark foreground is taken as such where that is the better answer.
        dice[name] = max(score(name, masks), score(f"{name}, dark", [~mask for mask in masks]))
    return Found(pairs.name, len(images), dice, spent)


def _train(pairs: PairSet, folder: Path, seconds: float) -> tuple[Path, float]:
    """Carry out README's command for about so many CPU-seconds; return its run, and the CPU-seconds that it took."""
    run, spent = folder / "run", folder / "seconds.json"
    if spent.is_file():
        return run, float(json.loads(spent.read_text()))
    sample = _seconds_a_sample(pairs, folder / "pairs")
    images = max(round((seconds - _OVERHEAD) / sample), 8)
    # The images alone are to end it, however busy the machine is.
    told = (*pairs.overrides, "threads=1", f"budget.max_images={images}", "budget.max_minutes=600")
    _say(f"{pairs.name}: {images} samples")
    process = subprocess.Popen(
        [sys.executable, "-m", "training.train", "--config", str(_CONFIG), "--data", str(folder / "pairs"),
         "--out", str(run), "--overwrite", *(f"--set={each}" for each in told)],
        stdout=sys.stderr,
    )  # fmt: skip
    spent.write_text(json.dumps(wait_and_measure(process)[1]))
    return _train(pairs, folder, seconds)


def _stock_masks(run: Path, encoder: str, seconds: float, folder: Path) -> list[Mask]:
    out = folder / encoder
    if not out.is_dir():
        module = [sys.executable, "-m", "benchmarks.alternatives.stock_unet", str(run), "--cpu-seconds", str(seconds)]
        subprocess.run(
            [*module, "--encoder", encoder, "--images", str(folder / "batch"), "--out", str(out)],
            check=True, stdout=sys.stderr,
        )  # fmt: skip
    return [np.load(path) for path in sorted(out.iterdir())]


def _local(image: NDArray[np.float64]) -> Mask:
    """Take what is brighter than the mean around it, by at least what Otsu finds in the difference."""
    difference = image - threshold_local(image, _LOCAL_PX, method="mean")
    return otsu(difference)


CLASSICAL: Mapping[str, Callable[[NDArray[np.float64]], Mask]] = {"Otsu": otsu, "local threshold": _local}


def _seconds_a_sample(pairs: PairSet, folder: Path) -> float:
    """CPU-seconds of this process for a sample of training, without the first step."""
    with distributed_context("cpu") as context, contextlib.redirect_stdout(sys.stderr):
        settings, surveyed = begun(_CONFIG, pairs.overrides, folder, context)
        source = open_data(
            settings.data,
            seed=0,
            batch_size=settings.optimiser.batch_size,
            device=context.device,
            surveyed=surveyed,
            channels=settings.model.channels,
            knows_padding=settings.model.knows_padding,
        )
        run = iter(TrainingRun(settings, source, context).steps())
        next(run)
        return own_cpu_ms(lambda: next(run), _STEPS) / 1000 / settings.optimiser.batch_size


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
