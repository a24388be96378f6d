"""Score a checkpoint on the fixed sets of the benchmark.

    python -m training.evaluate --checkpoint shared/weights/default --set val --count 100   # a quick look
    python -m training.evaluate --checkpoint shared/weights/default --set all --json scores.json
    python -m training.evaluate --checkpoint runs/compact --set all --record                # into its model.json

Runs the network as the worker does, 8-bit probabilities included. Training never meets these scenes.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from shared.errors import CheckpointError, DelineateError, UsageError
from shared.images.normalise import standardise
from shared.net.checkpoint import METADATA_NAME, locate_weights, read_metadata, write_metadata
from shared.net.predictor import PROBABILITY_LEVELS, Predictor
from shared.synth import DOTBLOB_V1, definition_hash
from training.scoring import Probability, Scores, full_scores, generate, quick_scores, summarise
from training.sets import STRATA_SCENES, VAL_SCENES, Case, clean_cases, strata_cases, val_cases

SETS = ("val", "clean", "strata")
_BATCH = 8
_COLUMNS = ("images", "dice", "dice_p10", "iou", "precision", "recall", "boundary_f1", "hausdorff95", "ece")


def evaluate_cases(predictor: Predictor, cases: Sequence[Case], score: Callable[..., Scores] = full_scores) -> Scores:
    """Mean scores of the predictor over the cases (512×512 images), at the checkpoint's threshold."""
    rows = []
    for start in range(0, len(cases), _BATCH):
        samples = [generate(case) for case in cases[start : start + _BATCH]]
        tiles = np.stack([standardise(sample.image.astype(np.float32)) for sample in samples])
        for levels, sample in zip(predictor.predict_tiles(tiles), samples, strict=True):
            probability: Probability = levels / np.float32(PROBABILITY_LEVELS)
            rows.append(score(probability, sample.mask, predictor.threshold))
    return summarise(rows)


def evaluate(predictor: Predictor, sets: Sequence[str], count: int | None) -> dict[str, Any]:
    """Scores by set; `count` limits the scenes of each set (of each stratum)."""
    results: dict[str, Any] = {}
    if "val" in sets:
        results["val"] = evaluate_cases(predictor, val_cases(count or VAL_SCENES))
    if "clean" in sets:
        results["clean"] = evaluate_cases(predictor, clean_cases(count or VAL_SCENES))
    if "strata" in sets:
        strata: dict[str, dict[str, Scores]] = {}
        for kind, strength, cases in strata_cases(count or STRATA_SCENES):
            strata.setdefault(kind, {})[f"{strength:g}"] = evaluate_cases(predictor, cases, quick_scores)
        results["strata"] = strata
    return results


def print_table(results: dict[str, Any]) -> None:
    """Print what `evaluate` returned."""
    averaged = [name for name in ("val", "clean") if name in results]
    if averaged:
        print("set    " + "".join(f"{column:>13}" for column in _COLUMNS))
    for name in averaged:
        print(f"{name:<7}" + "".join(f"{results[name][column]:>13.4g}" for column in _COLUMNS))
    for kind, curve in results.get("strata", {}).items():
        print(f"{kind:<12}" + "  ".join(f"{strength}: {row['dice']:.3f}" for strength, row in curve.items()))


def _check_definition(predictor: Predictor) -> None:
    trained_on = predictor.metadata.data_definition
    if trained_on.get("sha256") != definition_hash():
        raise CheckpointError(
            f"the checkpoint was trained on {trained_on.get('name', 'unnamed data')} in another definition than "
            f"this version's {DOTBLOB_V1.name}: its scores could not be compared"
        )


def _record(folder: Path, results: dict[str, Any]) -> None:
    """Add the scores to the checkpoint's model.json, beside those of other sets."""
    metadata = read_metadata(folder / METADATA_NAME)
    write_metadata(folder, replace(metadata, metrics={**metadata.metrics, **results}))


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", description="Score a checkpoint.")
    parser.add_argument("--checkpoint", type=Path, required=True, help="checkpoint folder")
    parser.add_argument("--set", choices=[*SETS, "all"], default="all", dest="chosen")
    parser.add_argument("--count", type=int, help="scenes of each set (default: all of them)")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto", help="auto, fp32, bf16 or fp16")
    parser.add_argument("--json", type=Path, help="write the scores to this file")
    parser.add_argument("--record", action="store_true", help="write the scores into the checkpoint's model.json")
    options = parser.parse_args(arguments)
    try:
        if options.count is not None and options.count < 1:
            raise UsageError(f"--count {options.count}: use a number from 1 up")
        predictor = Predictor.load(options.checkpoint, options.device, options.precision)
        _check_definition(predictor)
        results = evaluate(predictor, SETS if options.chosen == "all" else (options.chosen,), options.count)
    except DelineateError as error:
        print(f"evaluate: {error}", file=sys.stderr)
        return 2
    print_table(results)
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    if options.record:
        _record(locate_weights(options.checkpoint).parent, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
