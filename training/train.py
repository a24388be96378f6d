"""Train a network on synthetic scenes.

    python -m training.train --config training/configs/smoke.yaml            # under a minute on a CPU
    python -m training.train --config training/configs/compact.yaml          # the shipped default
    python -m training.train --config training/configs/compact.yaml --set budget.max_minutes=5 --out runs/short
    python -m training.train --config training/configs/compact.yaml --init runs/compact --set seed=2 --out runs/more

Writes the checkpoint folder `--out` (default runs/NAME) at every validation and at the end, with metrics.jsonl
beside the weights. The checkpoint holds the running average of the weights.
"""

import argparse
import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from shared.errors import DelineateError
from shared.net.architectures import count_parameters
from shared.net.checkpoint import LoadedModel, Metadata, load_checkpoint, save_checkpoint
from shared.net.device import resolve_device
from shared.synth import DOTBLOB_V1, definition_hash
from training.config import TrainingConfig, load_config
from training.loop import TrainingRun
from training.scoring import generate, quick_scores, segment, summarise
from training.sets import MONITOR_SEEDS, Case

_LOG_EVERY_STEPS = 50
_MONITOR_BATCH = 8


class Monitor:
    """Scores the averaged network on held-out scenes that are neither trained on nor reported."""

    def __init__(self, config: TrainingConfig) -> None:
        self.config = config
        seeds = MONITOR_SEEDS[: config.validation.scenes]
        self.sets = {
            name: [generate(Case(seed, noise), config.data.size) for seed in seeds]
            for name, noise in (("val", None), ("clean", "none"))
        }

    def scores(self, run: TrainingRun) -> dict[str, float]:
        """Mean Dice at threshold 0.5 with the val set's noise and without noise."""
        net = run.average.net
        result = {}
        for name, samples in self.sets.items():
            rows = []
            for start in range(0, len(samples), _MONITOR_BATCH):
                batch = samples[start : start + _MONITOR_BATCH]
                maps = segment(net, batch, run.device, self.config.precision)
                rows += [quick_scores(p, s.mask, 0.5) for p, s in zip(maps, batch, strict=True)]
            result[f"{name}_dice"] = summarise(rows)["dice"]
        return result


def train(
    config: TrainingConfig, out: Path, device: torch.device, command: str, start: LoadedModel | None = None
) -> None:
    """Train by `config`, from the weights of `start` if given; keep checkpoint and metrics.jsonl in `out`.

    `command` is recorded in the checkpoint.
    """
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    run = TrainingRun(config, device, start)
    monitor = Monitor(config)
    out.mkdir(parents=True, exist_ok=True)
    print(f"{config.name}: {count_parameters(run.net):,} parameters on {device}, checkpoint in {out}", flush=True)
    with (out / "metrics.jsonl").open("w", encoding="utf-8") as journal:
        for losses in _stretches(run):
            record = {
                "images": run.images,
                "minutes": round(run.minutes, 2),
                "loss": sum(losses) / len(losses),
                **monitor.scores(run),
            }
            save_checkpoint(out, run.average.net, _describe(run, command, record), half=True)
            journal.write(json.dumps(record) + "\n")
            journal.flush()
            print("  ".join(f"{name} {value:.4g}" for name, value in record.items()), flush=True)


def _stretches(run: TrainingRun) -> Iterator[list[float]]:
    """The losses of each stretch of training that ends in a validation; the last stretch may be shorter."""
    every = run.config.validation.every_minutes
    losses: list[float] = []
    validate_at = every
    for loss in run.steps():
        losses.append(loss)
        if len(losses) % _LOG_EVERY_STEPS == 0:
            recent = sum(losses[-_LOG_EVERY_STEPS:]) / _LOG_EVERY_STEPS
            rate = run.images / run.minutes / 60
            print(f"images {run.images}  loss {recent:.4f}  {rate:.1f} images/s", flush=True)
        if run.minutes >= validate_at:
            yield losses
            losses, validate_at = [], run.minutes + every
    if losses:
        yield losses


def _describe(run: TrainingRun, command: str, record: dict[str, Any]) -> Metadata:
    model = run.config.model
    return Metadata(
        architecture=model.architecture,
        arguments=dict(model.arguments),
        data_definition={"name": DOTBLOB_V1.name, "sha256": definition_hash()},
        training={
            "command": command,
            "config": run.config.model_dump(mode="json"),
            "images": run.images,
            "minutes": round(run.minutes, 1),
            "started_from": _origin(run.start),
        },
        metrics={"monitor": record},
    )


def _origin(start: LoadedModel | None) -> dict[str, Any] | None:
    """The weights that a run started from: their hash, and how they were trained in turn."""
    return None if start is None else {"sha256": start.sha256, "training": start.metadata.training}


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m training.train", description="Train a network.")
    parser.add_argument("--config", type=Path, required=True, help="YAML file, see training/configs")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    parser.add_argument("--out", type=Path, help="checkpoint folder (default: runs/NAME)")
    parser.add_argument("--init", type=Path, metavar="CHECKPOINT", help="start from these weights")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    options = parser.parse_args(arguments)
    command = shlex.join(["python", "-m", "training.train", *(sys.argv[1:] if arguments is None else arguments)])
    try:
        config = load_config(options.config, options.overrides)
        device = resolve_device(options.device)
        start = load_checkpoint(options.init) if options.init else None
        train(config, options.out or Path("runs") / config.name, device, command, start)
    except DelineateError as error:
        print(f"training: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
