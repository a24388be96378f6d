"""What a run was made from, and where two descriptions of it differ."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from shared.synth import DOTBLOB_V1, definition_hash
from training.config import TrainingConfig
from training.data.config import DataConfig
from training.data.folder import find_pairs


def data_definition(config: DataConfig) -> dict[str, Any]:
    """What the samples are drawn from: a name, a hash, and values that tell people what is hashed.

    Of synthetic scenes the definition of the task; of a folder the names and sizes of its files.
    """
    if config.folder is None:
        return {"name": DOTBLOB_V1.name, "sha256": definition_hash(), "values": _plain(asdict(DOTBLOB_V1))}
    pairs = find_pairs(config.folder)
    files = [[path.name, path.stat().st_size] for pair in pairs for path in (pair.image, pair.mask)]
    return {
        "name": f"folder {config.folder.name}",
        "sha256": hashlib.sha256(json.dumps(files).encode()).hexdigest(),
        "values": {"pairs": len(pairs)},
    }


def describe_config(config: TrainingConfig) -> dict[str, Any]:
    """The config in plain JSON types."""
    return config.model_dump(mode="json")


def differences(stored: Mapping[str, Any], present: Mapping[str, Any], prefix: str = "") -> list[str]:
    """One line for every key, dotted, whose value differs: "optimiser.lr: 0.001, now 0.01"."""
    found: list[str] = []
    for key in sorted(stored.keys() | present.keys()):
        before, now = stored.get(key), present.get(key)
        if isinstance(before, Mapping) and isinstance(now, Mapping):
            found += differences(before, now, f"{prefix}{key}.")
        elif before != now:
            found.append(f"{prefix}{key}: {before}, now {now}")
    return found


def _plain(value: Any) -> Any:
    """Tuples as lists, which is how they come back from JSON."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value
