"""Train a network on synthetic scenes.

    python -m training.train --config training/configs/smoke.yaml            # under a minute on a CPU
    python -m training.train --config training/configs/compact.yaml          # the shipped default
    python -m training.train --config training/configs/compact.yaml --set budget.max_minutes=5 --out runs/short

Writes the checkpoint folder `--out` (default runs/NAME) at every validation and at the end, with metrics.jsonl
beside the weights. The checkpoint holds the running average of the weights.
"""

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from shared.errors import DelineateError
from shared.net.architectures import count_parameters
from shared.net.checkpoint import Metadata, save_checkpoint
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


def train(config: TrainingConfig, out: Path, device: torch.device, command: str) -> dict[str, Any]:
    """Train by `config`, keep the checkpoint in `out`, return the last validation's record."""
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    run = TrainingRun(config, device)
    monitor = Monitor(config)
    out.mkdir(parents=True, exist_ok=True)
    print(f"{config.name}: {count_parameters(run.net):,} parameters on {device}, checkpoint in {out}", flush=True)
    record: dict[str, Any] = {}
    with (out / "metrics.jsonl").open("w", encoding="utf-8") as journal:

        def validate(losses: list[float]) -> dict[str, Any]:
            entry: dict[str, Any] = {
                "images": run.images,
                "minutes": round(run.minutes, 2),
                "loss": sum(losses) / max(len(losses), 1),
                **monitor.scores(run),
            }
            save_checkpoint(out, run.average.net, _describe(run, command, entry), half=True)
            journal.write(json.dumps(entry) + "\n")
            journal.flush()
            print("  ".join(f"{k} {v:.4g}" for k, v in entry.items()), flush=True)
            return entry

        losses: list[float] = []
        next_validation = config.validation.every_minutes
        for step, loss in enumerate(run.steps(), start=1):
            losses.append(loss)
            if step % _LOG_EVERY_STEPS == 0:
                recent = sum(losses[-_LOG_EVERY_STEPS:]) / len(losses[-_LOG_EVERY_STEPS:])
                rate = run.images / run.minutes / 60
                print(f"images {run.images}  loss {recent:.4f}  {rate:.1f} images/s", flush=True)
            if run.minutes >= next_validation:
                record = validate(losses)
                losses.clear()
                next_validation = run.minutes + config.validation.every_minutes
        return validate(losses) if losses else record


def _describe(run: TrainingRun, command: str, entry: dict[str, Any]) -> Metadata:
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
        },
        metrics={"monitor": entry},
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m training.train", description="Train a network.")
    parser.add_argument("--config", type=Path, required=True, help="YAML file, see training/configs")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    parser.add_argument("--out", type=Path, help="checkpoint folder (default: runs/NAME)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    options = parser.parse_args(arguments)
    command = shlex.join(["python", "-m", "training.train", *(sys.argv[1:] if arguments is None else arguments)])
    try:
        config = load_config(options.config, options.overrides)
        device = resolve_device(options.device)
        train(config, options.out or Path("runs") / config.name, device, command)
    except DelineateError as error:
        print(f"training: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
