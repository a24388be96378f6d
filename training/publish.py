"""Put a checkpoint into the model registry, and have workers use it for new jobs.

    python -m training.publish --checkpoint runs/compact               # enter it
    python -m training.publish --checkpoint runs/compact --activate    # and make it the model of new jobs

The settings say which registry (DATABASE_URL, STORE_URL). Running workers pick the model up with the first job that
names it; jobs that exist keep theirs. `admin models` lists, activates and rolls back.
"""

import argparse
import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shared.commandline import ExitCode, opened_services
from shared.db.model_registry import Model, ModelRegistry
from shared.errors import CheckpointError, DelineateError
from shared.identity import user_at_host
from shared.net.checkpoint import FAMILIARITY_NAME, METADATA_NAME, LoadedModel, load_checkpoint, locate_weights


def publish(registry: ModelRegistry, checkpoint: Path, *, name: str | None, by: str) -> Model:
    """Enter a checkpoint folder that loads whole; `name` is the folder's unless given.

    Raises:
        CheckpointError: it is no usable checkpoint, or another one is being written to the folder.
        UsageError: its weights are published with another threshold, say.
        Retryable: the database or the store does not answer.
    """
    weights_path = locate_weights(checkpoint)
    folder = weights_path.parent
    loaded = load_checkpoint(weights_path)
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
    parser = argparse.ArgumentParser(
        prog="python -m training.publish", description="Put a checkpoint into the model registry."
    )
    parser.add_argument("--checkpoint", type=Path, required=True, help="checkpoint folder")
    parser.add_argument("--name", help="name for people (default: the folder's)")
    parser.add_argument("--activate", action="store_true", help="make it the model of new jobs")
    options = parser.parse_args(arguments)
    try:
        with opened_services(quiet=True) as services:
            registry, by = ModelRegistry(services.database, services.store), user_at_host()
            model = publish(registry, options.checkpoint, name=options.name, by=by)
            print(f"published {model.sha256[:12]} {model.name}, {model.size / 1e6:.1f} MB")
            if options.activate:
                registry.activate(model.sha256, by=by)
                print("active: new jobs use it")
    except DelineateError as error:
        print(f"publish: {error}", file=sys.stderr)
        return ExitCode.of(error)
    return ExitCode.SUCCEEDED


if __name__ == "__main__":
    sys.exit(main())
