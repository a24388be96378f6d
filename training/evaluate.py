"""The benchmark's whole protocol, and what real pictures have, on one or more checkpoints: docs/evaluation.md.

    python -m training.evaluate --checkpoint shared/weights/default --set val --count 100   # a quick look
    python -m training.evaluate --checkpoint shared/weights/default --json scores.json --markdown scores.md
    python -m training.evaluate --checkpoint shared/weights/default runs/unet --into README.md
    python -m training.evaluate --checkpoint shared/weights/default --set probes            # beside their targets
    python -m training.evaluate --checkpoint shared/weights/default --set field --sheet worst.png
    python -m training.evaluate --checkpoint runs/compact --record                          # into its model.json
    python -m training.evaluate --checkpoint runs/nuclei --data nuclei --held-out --csv scores.csv --sheet worst.png

With --data, pairs of one's own are scored one by one, beside Otsu's threshold and a local one; --held-out takes those
that training held out, as model.json names them.

Runs the network as the worker does, 8-bit probabilities included. Training never meets these scenes.
"""

import argparse
import csv
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markdown import Markdown

from shared.commandline import ExitCode, Parser, ended
from shared.errors import CheckpointError, UsageError
from shared.formulas import guarded
from shared.net.checkpoint import METADATA_NAME, locate_weights, read_metadata, write_metadata
from shared.net.predictor import Predictor
from shared.output import replace_unknown_characters
from shared.synth import DEFAULT_DEFINITION, DEFINITIONS, Definition, definition_hash, find_definition
from training.cost import measure_cost
from training.data.pairs.survey import survey
from training.evaluation.examination import SCENES, Examination
from training.evaluation.oracle import oracle_scores
from training.evaluation.own_images import (
    COLUMNS,
    OwnReport,
    examine,
    held_out_pairs,
    own_data,
    trained_on,
)
from training.evaluation.own_images import markdown as own_markdown
from training.evaluation.protocol import FULL_SETS, score_baselines, score_robustness, score_set, score_strata
from training.evaluation.sheet import WorstAnswers
from training.evaluation.tables import MARKERS, markdown
from training.recipe.provenance import differences

BENCHMARK_PARTS = ("val", "clean", "blobs", "shapes", "strata", "robustness", "cost", "baselines", "oracle")
REALITY_PARTS = ("field", "probes", "trust", "foreign")
PARTS = (*BENCHMARK_PARTS, *REALITY_PARTS)
_BASELINE_IMAGES = 50
_ROBUSTNESS_IMAGES = 200
_ORACLE_IMAGES = 200


def evaluate(
    checkpoint: Path,
    predictor: Predictor,
    parts: Sequence[str],
    count: int | None,
    definition: Definition,
    examination: Examination | None = None,
) -> dict[str, Any]:
    """Score one model by part, and say on what.

    Args:
        checkpoint: where it comes from.
        predictor: the model.
        parts: names of PARTS; those that no network takes part in are left out.
        count: limits the scenes of each set of a benchmark, and of each stratum.
        definition: of the benchmark.
        examination: of the model, for the parts beside the benchmark's.
    """
    results: dict[str, Any] = {"definition": _named(definition)} if _needs_definition(parts) else {}
    for part in parts:
        if part in FULL_SETS:
            results[part] = score_set(predictor, part, count, definition)
        elif part == "strata":
            results[part] = score_strata(predictor, count, definition)
        elif part == "robustness":
            results[part] = score_robustness(predictor, count or _ROBUSTNESS_IMAGES, definition)
        elif part == "cost":
            results[part] = asdict(measure_cost(checkpoint))
        elif part in REALITY_PARTS:
            results[part] = (examination or Examination(predictor)).report(part)
    return results


def without_model(parts: Sequence[str], count: int | None, definition: Definition) -> dict[str, Any]:
    """Score the parts that no network takes part in."""
    results: dict[str, Any] = {}
    if "baselines" in parts:
        results["baselines"] = score_baselines(count or _BASELINE_IMAGES, definition)
    if "oracle" in parts:
        images = count or _ORACLE_IMAGES
        scores = oracle_scores(images, images, definition)
        results["oracle"] = {name: score.to_dict() for name, score in scores.items()}
    return results


def check_definition(predictor: Predictor, definition: Definition) -> None:
    """Refuse to score a checkpoint on another definition than it was trained on.

    Raises:
        CheckpointError: it was; the message says which numbers differ.
    """
    trained_on = predictor.metadata.data_definition
    if trained_on.get("sha256") == definition_hash(definition):
        return
    name, stored = trained_on.get("name", "unnamed data"), trained_on.get("values")
    keys = f" ({'; '.join(differences(stored, definition.values()))})" if isinstance(stored, dict) else ""
    known = name in DEFINITIONS and trained_on.get("sha256") == definition_hash(DEFINITIONS[name])
    remedy = f": score it with --definition {name}" if known else ": its scores could not be compared"
    raise CheckpointError(
        f"the checkpoint was trained on {name} in another definition than this version's {definition.name}{keys}"
        f"{remedy}"
    )


def _named(definition: Definition) -> dict[str, str]:
    return {"name": definition.name, "sha256": definition_hash(definition)}


def _needs_definition(parts: Sequence[str]) -> bool:
    return any(part in BENCHMARK_PARTS for part in parts)


def _load(
    paths: Sequence[Path], device: str, precision: str, definition: Definition | None
) -> dict[str, tuple[Path, Predictor]]:
    """Load the models by a name to show: the folder's, or the whole path where two folders have one name.

    Where a definition is given, they have to have been trained on it.
    """
    names = [path.resolve().name for path in paths]
    models = {}
    for path, name in zip(paths, names, strict=True):
        predictor = Predictor.load(path, device, precision)
        if definition is not None:
            check_definition(predictor, definition)
        models[name if names.count(name) == 1 else str(path)] = (path, predictor)
    return models


def _record(folder: Path, results: dict[str, Any]) -> None:
    """Add the scores to the checkpoint's model.json, beside those of other sets."""
    metadata = read_metadata(folder / METADATA_NAME)
    write_metadata(folder, replace(metadata, metrics={**metadata.metrics, **results}))


def _check_options(options: argparse.Namespace) -> None:
    for name in ("count", "scenes"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise UsageError(f"--{name} {value}: use a number from 1 up")
    if options.sheet and len(options.checkpoint) > 1:
        raise UsageError("--sheet shows the answers of one model: give one --checkpoint")
    if (options.held_out or options.csv) and options.data is None:
        raise UsageError("--held-out and --csv are of pairs of one's own: add --data FOLDER")
    if options.csv and len(options.checkpoint) > 1:
        raise UsageError("--csv has the scores of one model: give one --checkpoint")
    if options.sheet and options.data is None and not {"field", "probes", "all"}.intersection(options.chosen):
        raise UsageError("--sheet shows families and probes: add --set field or --set probes")


def run_on_own(options: argparse.Namespace) -> dict[str, OwnReport]:
    """Score checkpoints on the pairs of a folder, and write the scores where the command line asks.

    Raises:
        UsageError: a value makes no sense, the pairs cannot be used, or a file cannot be written.
        CheckpointError: a checkpoint cannot be used.
    """
    _check_options(options)
    models = _load(options.checkpoint, options.device, options.precision, None)
    worst = WorstAnswers() if options.sheet else None
    found: dict[str, OwnReport] = {}
    for name, (path, predictor) in models.items():
        pairs_of = survey(own_data(options.data, predictor.metadata)).check()
        pairs = held_out_pairs(pairs_of, predictor.metadata) if options.held_out else list(pairs_of.layout.pairs)
        known = trained_on(pairs_of, predictor.metadata)
        found[name] = examine(predictor, pairs_of, pairs[: options.count], known, worst)
        if options.record:
            _record(locate_weights(path).parent, {"own": found[name].summary()})
    [first, *_] = found.values()
    told = {name: report.summary() | {"pairs": list(report.rows())} for name, report in found.items()}
    try:
        if options.json:
            options.json.write_text(json.dumps({"models": told}, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        if options.markdown:
            options.markdown.write_text(own_markdown(found), encoding="utf-8")
        if options.csv:
            with options.csv.open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, COLUMNS)
                writer.writeheader()
                writer.writerows(row | {"name": guarded(row["name"])} for row in first.rows())
        if worst is not None:
            worst.sheet().save(options.sheet, "PNG")
    except OSError as error:
        raise UsageError(f"{error.filename} cannot be written: {error.strerror}") from error
    return found


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Evaluate what the command line asks for, and write it where it asks.

    Raises:
        UsageError: a value makes no sense, or a file cannot be written.
        CheckpointError: a checkpoint cannot be used, or was trained on another definition.
    """
    _check_options(options)
    parts = PARTS if "all" in options.chosen else tuple(dict.fromkeys(options.chosen))
    definition = find_definition(options.definition)
    on_benchmark = _needs_definition(parts)
    models = _load(options.checkpoint, options.device, options.precision, definition if on_benchmark else None)
    worst = WorstAnswers() if options.sheet else None
    found = {
        name: evaluate(path, predictor, parts, options.count, definition, Examination(predictor, options.scenes, worst))
        for name, (path, predictor) in models.items()
    }
    results = {
        **({"definition": _named(definition)} if on_benchmark else {}),
        "models": found,
        **without_model(parts, options.count, definition),
    }
    text = markdown(results)
    try:
        if options.json:
            options.json.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        if options.markdown:
            options.markdown.write_text(text, encoding="utf-8")
        if options.into:
            MARKERS.insert(options.into, text)
        if worst is not None:
            worst.sheet().save(options.sheet, "PNG")
    except OSError as error:
        raise UsageError(f"{error.filename} cannot be written: {error.strerror}") from error
    if options.record:
        for name, (path, _) in models.items():
            _record(locate_weights(path).parent, found[name])
    return results


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    replace_unknown_characters()
    parser = Parser("training.evaluate", "Score checkpoints.")
    parser.add_argument("--checkpoint", type=Path, nargs="+", required=True, help="checkpoint folders")
    parser.add_argument("--definition", default=DEFAULT_DEFINITION, help=f"of the task (default: {DEFAULT_DEFINITION})")
    parser.add_argument("--set", nargs="+", choices=[*PARTS, "all"], default=["all"], dest="chosen")
    parser.add_argument("--count", type=int, help="scenes of each set, or pairs (default: all of them)")
    parser.add_argument("--data", type=Path, help="a folder of images and masks of one's own, in place of the sets")
    parser.add_argument("--held-out", action="store_true", help="with --data: the pairs alone that training held out")
    parser.add_argument("--csv", type=Path, help="with --data: write a row for each pair to this file")
    parser.add_argument("--scenes", type=int, default=SCENES, help=f"of each family and probe (default: {SCENES})")
    parser.add_argument("--sheet", type=Path, help="draw the worst answers into this PNG")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto", help="auto, fp32, bf16 or fp16")
    parser.add_argument("--json", type=Path, help="write the scores to this file")
    parser.add_argument("--markdown", type=Path, help="write the tables to this file")
    parser.add_argument("--into", type=Path, help="put the tables between the markers in this file, such as README.md")
    parser.add_argument("--record", action="store_true", help="add the scores to the checkpoint's model.json")
    options = parser.parse_args(arguments)
    if options.data is not None:
        return ended("training.evaluate", lambda: _show(own_markdown(run_on_own(options))))
    return ended("training.evaluate", lambda: _show(markdown(run(options))))


def _show(text: str) -> int:
    if sys.stdout.isatty():
        Console().print(Markdown(text))
    else:
        print(text, end="")
    return ExitCode.SUCCEEDED


if __name__ == "__main__":
    sys.exit(main())
