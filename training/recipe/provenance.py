"""What a run was made from, and where two descriptions of it differ."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from shared.errors import UsageError
from shared.images.pairs.layout import find_layout
from shared.net.metadata import Metadata
from training.config import TrainingConfig
from training.data.config import DataConfig
from training.data.job import job_definition


def data_definition(config: DataConfig) -> dict[str, Any]:
    """Describe what the samples are drawn from: a name, a hash, and values that tell people what is hashed.

    Of synthetic scenes the definition of the task; of a folder the names and sizes of its files, of jobs
    the objects of their pairs.
    """
    if config.kind == "job":
        return job_definition(config)
    if config.folder is None:
        main, *others = config.definitions().values()
        mixture = {other.name: {"share": config.mixture[other.name], **other.describe()} for other in others}
        return main.describe() | ({"mixture": mixture} if mixture else {})
    pairs = find_layout(config.folder, config.mask_suffix).pairs
    files = [[path.name, path.stat().st_size] for pair in pairs for path in (pair.image, *pair.masks)]
    return {
        "name": f"folder {config.folder.name}",
        "sha256": hashlib.sha256(json.dumps(files).encode()).hexdigest(),
        "values": {"pairs": len(pairs)},
    }


def describe_config(config: TrainingConfig) -> dict[str, Any]:
    """Return the config in plain JSON types."""
    return config.model_dump(mode="json")


def trained_config(folder: Path, metadata: Metadata) -> TrainingConfig:
    """Return the config that a checkpoint in `folder` was trained with.

    Raises:
        UsageError: it names none that this version can read.
    """
    try:
        return TrainingConfig.model_validate(metadata.training.get("config"))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(
            f"model.json in {folder} does not say what the model was trained on ({where}: {first['msg']}): use the "
            "version that trained it"
        ) from error


def differences(stored: Mapping[str, Any], present: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return one line for every key, dotted, whose value differs: "optimiser.lr: 0.001, now 0.01"."""
    return [f"{prefix}{key}: {before}, now {now}" for key, before, now in changes(stored, present)]


def changes(stored: Mapping[str, Any], present: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield every key, dotted, whose value differs, with the stored value and the present one; None where it is not."""
    for key in sorted(stored.keys() | present.keys()):
        before, now = stored.get(key), present.get(key)
        if isinstance(before, Mapping) and isinstance(now, Mapping):
            yield from changes(before, now, f"{prefix}{key}.")
        elif before != now:
            yield f"{prefix}{key}", before, now
