"""Put a checkpoint into the model registry, and have workers use it for new jobs.

    python -m training.publish --checkpoint runs/compact               # enter it
    python -m training.publish --checkpoint runs/compact --activate    # and make it the model of new jobs

One trained on a folder of pairs or on reviewed results is scored on those that were held out, beside the models whose
place it takes: that of its name, which --model NAME means, and with --activate that of new jobs. Where it is worse, it
is not published, or not activated, unless --force says so.

The settings say which registry (DATABASE_URL, STORE_URL). Running workers pick the model up with the first job that
names it; jobs that exist keep theirs. `admin models` lists, activates and rolls back.
"""

import argparse
import hashlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from shared.commandline import ExitCode, Parser, ended, opened_services
from shared.db.model_registry import Model, ModelRegistry, checked_name
from shared.errors import CheckpointError, UsageError
from shared.identity import user_at_host
from shared.images.preparation import prepare
from shared.net.checkpoint import FAMILIARITY_NAME, METADATA_NAME, LoadedModel, load_checkpoint, locate_weights
from shared.net.weights_file import file_sha256
from shared.output import replace_unknown_characters
from shared.services import Services
from shared.synth import synthesise
from training.evaluation.held_out import compare_on_held_out

_SIDE = 256  # px, of the pictures that a network is tried on
_LEAST_RANGE = 1e-3  # of the probabilities on all of them together


def publish(registry: ModelRegistry, checkpoint: Path, *, name: str | None, by: str) -> Model:
    """Enter a checkpoint folder that loads whole; `name` is the folder's unless given.

    Raises:
        CheckpointError: it is no usable checkpoint, answers nothing, or another one is being written to the folder.
        UsageError: its weights are published with another threshold, say.
        Retryable: the database or the store does not answer.
    """
    weights_path = locate_weights(checkpoint)
    folder = weights_path.parent
    loaded = load_checkpoint(weights_path)
    check_answers(loaded, folder)
    try:
        weights, metadata = weights_path.read_bytes(), (folder / METADATA_NAME).read_bytes()
        scores = (folder / FAMILIARITY_NAME).read_bytes() if loaded.scores is not None else None
    except OSError as error:
        raise CheckpointError(f"{folder} cannot be read: {error.strerror}") from error
    # What is published has to be what was loaded, and the description that of these weights.
    if hashlib.sha256(weights).hexdigest() != loaded.sha256 or loaded.sha256.encode() not in metadata:
        raise CheckpointError(f"{folder} is being written to: publish it when its training has ended")
    name = name or folder.resolve().name
    return registry.publish(weights, metadata, scores=scores, name=name, summary=_summary(loaded), by=by)


def check_answers(loaded: LoadedModel, folder: Path) -> None:
    """Check that a network answers numbers, and not the same whatever it is shown.

    Raises:
        CheckpointError: it does; its jobs would succeed with blank or full masks.
    """
    pictures = np.stack([prepare(picture).image for picture in _pictures()])
    with torch.inference_mode():
        logits = loaded.net(torch.from_numpy(pictures)[:, None])
    if not bool(logits.isfinite().all()):
        raise CheckpointError(f"{folder} answers a picture with no numbers: train it anew, with a lower optimiser.lr")
    lowest, highest = torch.sigmoid(torch.stack(logits.aminmax())).tolist()
    if highest - lowest < _LEAST_RANGE:
        raise CheckpointError(
            f"{folder} answers {lowest:.3g} to {highest:.3g} whatever it is shown, so that all masks would be "
            f"{'blank' if highest < loaded.threshold else 'full'}: train it for longer"
        )


def _pictures() -> Iterator[NDArray[np.float32]]:
    """Pictures on which no network that has learnt something can answer alike: a scene, a disc, speckles."""
    yield synthesise(0, size=_SIDE, severity=0.0).image.astype(np.float32)
    row, column = np.indices((_SIDE, _SIDE)) - _SIDE // 2
    yield np.where(np.hypot(row, column) < _SIDE / 4, np.float32(1), np.float32(0))
    speckles = np.random.default_rng(0).random((_SIDE, _SIDE), dtype=np.float32)
    yield np.where(speckles > 0.99, np.float32(1), speckles / 4)


def _summary(loaded: LoadedModel) -> dict[str, Any]:
    """Return what people choose a model by, and what decides how it segments."""
    metadata = loaded.metadata
    return {
        "architecture": metadata.architecture,
        "arguments": metadata.arguments,
        "threshold": metadata.threshold,
        "preprocessing": metadata.preprocessing,
        "parameters": metadata.parameters,
        "data_definition": metadata.data_definition,
        "metrics": metadata.metrics,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code, see `shared.commandline.ExitCode`."""
    replace_unknown_characters()
    parser = Parser("training.publish", "Put a checkpoint into the model registry.")
    parser.add_argument("--checkpoint", type=Path, required=True, help="checkpoint folder")
    parser.add_argument(
        "--name", help="what it is called: producer and API take it as --model (default: the folder's name)"
    )
    parser.add_argument("--activate", action="store_true", help="make it the model of new jobs")
    parser.add_argument("--force", action="store_true", help="also where it is worse on held-out pairs; nobody looks")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="where the pairs of its training are now")
    options = parser.parse_args(arguments)
    return ended("training.publish", lambda: _publish(options))


def _publish(options: argparse.Namespace) -> int:
    with opened_services(quiet=True) as services:
        registry, by = ModelRegistry(services.database, services.store), user_at_host()
        weights = locate_weights(options.checkpoint)
        name = checked_name(options.name or weights.parent.resolve().name)
        before = _namesake(registry, name, file_sha256(weights))
        if before is not None:
            refusal = "not published", "--force publishes it all the same, another --name leaves that one its own"
            _check_no_worse(services, options, before, "the model that is called", refusal)
        model = publish(registry, options.checkpoint, name=name, by=by)
        print(f"published {model.sha256[:12]} {model.name}, {model.size / 1e6:.1f} MB")
        if options.activate:
            active = registry.active()
            if active is None or active.sha256 not in {model.sha256, before.sha256 if before else ""}:
                called = "the workers' own model" if active is None else "the active model"
                refusal = "not activated", "--force activates it all the same"
                _check_no_worse(services, options, active, called, refusal)
            registry.activate(model.sha256, by=by)
            print("active: new jobs use it")
    return ExitCode.SUCCEEDED


def _namesake(registry: ModelRegistry, name: str, sha256: str) -> Model | None:
    """Return the model whose name weights take over; None where they are published already, or nobody has it."""
    models = registry.models()
    if any(model.sha256 == sha256 for model in models):
        return None
    return next((model for model in models if model.name == name), None)


def _check_no_worse(
    services: Services, options: argparse.Namespace, other: Model | None, called: str, refusal: tuple[str, str]
) -> None:
    """Check that the checkpoint is no worse than another model on what is held out, and say how they compare.

    Raises:
        UsageError: it is worse, or the pairs are gone, and nobody forces it.
    """
    if options.force:
        return
    scores = compare_on_held_out(services, options.checkpoint, other, called=called, folder=options.data)
    if scores is not None and scores.is_worse:
        what, remedy = refusal
        raise UsageError(f"{what}, since it is worse: {scores}; {remedy}")
    if scores is not None:
        print(scores)


if __name__ == "__main__":
    sys.exit(main())
