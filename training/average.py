"""Average the weights of checkpoints that go back to the same run: often better than each of them.

    python -m training.average runs/before runs/compact --out runs/both
    python -m training.average runs/before:3 runs/compact:1 --out runs/both      # three parts to one

Fine-tuned weights of one origin lie in one basin of the loss: what each has learnt, and the other forgotten, is largely
there in between ("model soups", Wortsman et al., ICML 2022). Normalisation statistics, calibration, and the scores of
quality and familiarity are those of the new weights, on the data that the first checkpoint's model.json names.
"""

import argparse
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from shared.commandline import ExitCode, Parser, ended
from shared.errors import UsageError
from shared.net.checkpoint import LoadedModel, load_checkpoint, save_checkpoint
from shared.net.device import resolve_device
from shared.net.metadata import Metadata
from shared.output import replace_unknown_characters
from training.config import TrainingConfig
from training.data.open import open_data
from training.data.source import up_to
from training.evaluation.own_images import held_out_names, trained_data
from training.recipe.averaging import precise_normalisation
from training.recipe.calibration import calibrate_model
from training.recipe.distributed import part_of_step
from training.recipe.precision import training_precision
from training.recipe.provenance import trained_config
from training.recipe.scores import fit_or_say


@dataclass(frozen=True)
class Part:
    """A checkpoint, and how many parts of the average are its."""

    checkpoint: Path
    weight: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code, see `shared.commandline.ExitCode`."""
    replace_unknown_characters()
    options = _parser().parse_args(arguments)
    command = shlex.join(["python", "-m", "training.average", *(sys.argv[1:] if arguments is None else arguments)])
    return ended("training.average", lambda: _average(options, command))


def average_states(states: Sequence[tuple[float, Mapping[str, Tensor]]]) -> dict[str, Tensor]:
    """Return the weighted mean of the tensors of each name; counters are the last state's.

    Args:
        states: weights, above 0 in sum, with the tensors of networks of one shape.
    """
    total = sum(weight for weight, _ in states)
    last = states[-1][1]
    return {
        name: sum((state[name] * (weight / total) for weight, state in states), torch.zeros_like(tensor))
        if tensor.is_floating_point()
        else tensor
        for name, tensor in last.items()
    }


def held_out_of_all(models: Sequence[Metadata]) -> list[str]:
    """Return the names of the pairs that none of the models was trained on.

    None where they were trained on different folders: a name says nothing of a pair in another one.
    """
    folders = {str(trained_data(each).get("folder")) for each in models}
    if len(folders) > 1:
        return []
    names = [set(held_out_names(each)) for each in models]
    return sorted(set.intersection(*names))


def _parser() -> Parser:
    parser = Parser("training.average", "Average the weights of checkpoints that go back to the same run.")
    parser.add_argument(
        "checkpoints", type=_part, nargs="+", metavar="CHECKPOINT[:PARTS]", help="checkpoint folders, with their parts"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the new checkpoint")
    parser.add_argument("--scenes", type=int, help="that quality and familiarity are fitted on (default: the config's)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    return parser


def _part(text: str) -> Part:
    path, _, parts = text.rpartition(":")
    try:
        weight = float(parts) if path else 1.0
    except ValueError:  # a colon of the path's own
        return Part(Path(text), 1.0)
    if not 0 < weight < float("inf"):
        raise argparse.ArgumentTypeError(f"{parts} parts: give a number above 0")
    return Part(Path(path or text), weight)


def _average(options: argparse.Namespace, command: str) -> int:
    if len(options.checkpoints) < 2:
        raise UsageError("one checkpoint is its own average: name two or more")
    if any(options.out.resolve() == part.checkpoint.resolve() for part in options.checkpoints):
        raise UsageError(f"{options.out} is one of the checkpoints: give --out another folder")
    device = resolve_device(options.device)
    models = [load_checkpoint(part.checkpoint, device) for part in options.checkpoints]
    _check_alike(options.checkpoints, models)
    first = models[0]
    config = trained_config(options.checkpoints[0].checkpoint, first.metadata)
    parts = [(part.weight, model.net.state_dict()) for part, model in zip(options.checkpoints, models, strict=True)]
    first.net.load_state_dict(average_states(parts))
    training = {
        "command": command,
        "config": first.metadata.training["config"],
        "average_of": [
            {
                "weights_sha256": model.sha256,
                "parts": part.weight,
                "command": model.metadata.training.get("command", ""),
            }
            for part, model in zip(options.checkpoints, models, strict=True)
        ],
        "held_out": held_out_of_all([model.metadata for model in models]),
    }
    _finish(config, first, device, options.out, training)
    scenes = config.familiarity.scenes if options.scenes is None else options.scenes
    if scenes:
        print(fit_or_say(options.out, config, scenes=scenes, device=options.device))
    print(f"the average of {len(models)} checkpoints is in {options.out}")
    return ExitCode.SUCCEEDED


def _check_alike(parts: Sequence[Part], models: Sequence[LoadedModel]) -> None:
    first = models[0].metadata
    for part, model in zip(parts, models, strict=True):
        other = model.metadata
        if (other.architecture, other.arguments) != (first.architecture, first.arguments):
            raise UsageError(
                f"{part.checkpoint} is another network than {parts[0].checkpoint}: average runs of one architecture"
            )
        if other.preprocessing != first.preprocessing:
            raise UsageError(
                f"{part.checkpoint} sees its images prepared as {other.preprocessing}, {parts[0].checkpoint} as "
                f"{first.preprocessing}: average runs of one preparation"
            )


def _finish(
    config: TrainingConfig, model: LoadedModel, device: torch.device, out: Path, training: dict[str, object]
) -> None:
    """Give the new weights their normalisation statistics and calibration, as the end of a run does, and save them."""
    settings = config.optimiser
    batch_size = part_of_step(settings.batch_size, settings.accumulation, processes=1)
    source = open_data(
        config.data,
        seed=config.seed,
        batch_size=batch_size,
        device=device,
        channels=config.model.channels,
        knows_padding=config.model.knows_padding,
    )
    dtype = training_precision(config.precision, device)
    if settings.precise_bn_images:
        precise_normalisation(model.net, up_to(settings.precise_bn_images, source.fresh()), device, dtype)
    about = replace(model.metadata, training=training, metrics={})
    about, _ = calibrate_model(replace(model, metadata=about), config.calibration, source, dtype)
    save_checkpoint(out, model.net, about, half=True)


if __name__ == "__main__":
    sys.exit(main())
