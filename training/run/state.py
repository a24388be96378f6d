"""A run that can go on: the training state, one safetensors file with JSON in its header. Nothing is unpickled.

It holds the network, the average, the optimisers' moments, the counters, and a description of what made it. Dropout
and samples draw from streams named by the seed and the position, so no state of a generator has to be kept.
"""

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from shared.errors import CheckpointError, UsageError
from shared.net.checkpoint import library_versions
from shared.net.weights_file import check_weights_file
from training.config import TrainingConfig, check_config
from training.recipe.loop import Position, TrainingRun
from training.recipe.provenance import data_definition, describe_config, differences
from training.run.watch import CollapseWatch, EarlyStopping

STATE_NAME = "training_state.safetensors"
_FORMAT_VERSION = 3
_HEADER = "delineate.training_state"
_KEYS = frozenset(
    [
        "config",
        "data_definition",
        "versions",
        "started_from",
        "position",
        "finished",
        "average_updates",
        "scaler",
        "watch",
        "stopping",
    ]
)


@dataclass(frozen=True, eq=False)
class TrainingState:
    """A state as read from its file."""

    path: Path
    tensors: dict[str, Tensor]
    description: dict[str, Any]

    @property
    def config(self) -> TrainingConfig:
        """The config that the run began with."""
        return check_config(dict(self.description["config"]), (), f"the config in {self.path}")

    @property
    def started_from(self) -> dict[str, Any] | None:
        """The weights that the run started from, as `Metadata.training` records them."""
        origin: dict[str, Any] | None = self.description["started_from"]
        return origin


def save_state(
    path: Path, run: TrainingRun, watch: CollapseWatch, stopping: EarlyStopping, started_from: dict[str, Any] | None
) -> None:
    """Replace the state file in one step. Of several processes the first calls this, behind `pool_tallies`."""
    description = {
        "format_version": _FORMAT_VERSION,
        "config": describe_config(run.config),
        "data_definition": run.data_definition,
        "versions": library_versions(),
        "started_from": started_from,
        "position": asdict(run.position),
        "finished": run.done >= 1 or stopping.is_over,
        "average_updates": run.average.updates,
        "scaler": run.scaler.state_dict(),
        "watch": _counters(watch),
        "stopping": _counters(stopping),
    }
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".saving-") as folder:
        scratch = Path(folder) / path.name
        save_file(_tensors(run), scratch, {_HEADER: json.dumps(description)})
        with scratch.open("rb") as file:
            os.fsync(file.fileno())
        scratch.chmod(0o644)
        scratch.replace(path)


def load_state(path: Path) -> TrainingState:
    """Read a state file, or the one in a run's folder. Raises `CheckpointError`, one line with the reason."""
    path = path / STATE_NAME if path.is_dir() else path
    if not path.is_file():
        raise CheckpointError(f"there is no training state at {path}: give the folder of a run that was stopped")
    check_weights_file(path)
    with safe_open(path, "pt") as file:
        header = (file.metadata() or {}).get(_HEADER)
        if header is None:
            raise CheckpointError(f"{path} is no training state: weights alone can be trained on with --init")
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    description = json.loads(header)
    version = description.get("format_version")
    if version != _FORMAT_VERSION:
        raise CheckpointError(
            f"{path} has format version {version}, this version of Delineate reads {_FORMAT_VERSION}: "
            "end the run with the version that began it, or start anew from its weights with --init"
        )
    missing = sorted(_KEYS - description.keys())
    if missing:
        raise CheckpointError(f"{path} lacks {', '.join(missing)}: begin the run anew in another --out")
    return TrainingState(path, tensors, description)


def check_same_run(state: TrainingState, config: TrainingConfig) -> None:
    """Raise `UsageError`, naming every key that differs, unless the state is of this config and this task."""
    changed = differences(state.description["config"], describe_config(config))
    changed += differences(state.description["data_definition"], data_definition(config.data), "data_definition.")
    if changed:
        raise UsageError(
            f"{state.path} belongs to another run ({'; '.join(changed)}): resume with its own config, "
            "or start a new run from its weights with --init"
        )


def check_free(out: Path) -> None:
    """Raise `UsageError` where a new run in this folder would destroy one that is not finished."""
    if not (out / STATE_NAME).is_file():
        return
    state = load_state(out)
    if not state.description["finished"]:
        raise UsageError(
            f"{out} holds a run that is not finished ({state.description['position']['images']:,} images): go on with "
            f"--resume {out}, or give another --out, or --overwrite"
        )


def changed_versions(state: TrainingState) -> list[str]:
    """The versions of code and libraries that are no longer those of the state; results may differ slightly."""
    return differences(state.description["versions"], library_versions())


def restore(state: TrainingState, run: TrainingRun, watch: CollapseWatch, stopping: EarlyStopping) -> None:
    """Put the run and what watches it where they were when the state was saved."""
    description, tensors = state.description, state.tensors
    run.position = Position(**description["position"])
    run.net.load_state_dict(_part(tensors, "net."))
    run.average.net.load_state_dict(_part(tensors, "average."))
    run.average.updates = description["average_updates"]
    run.scaler.load_state_dict(description["scaler"])
    if run.processes.is_first:
        run.tallies.copy_(tensors["tallies"])
    run.optimisers.restore(_part(tensors, "moments."))
    _set_counters(watch, description["watch"])
    _set_counters(stopping, description["stopping"])


def _tensors(run: TrainingRun) -> dict[str, Tensor]:
    tensors = {f"net.{name}": tensor for name, tensor in run.net.state_dict().items()}
    tensors |= {f"average.{name}": tensor for name, tensor in run.average.net.state_dict().items()}
    tensors |= {f"moments.{name}": tensor for name, tensor in run.optimisers.moments().items()}
    tensors["tallies"] = run.tallies
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _counters(watcher: CollapseWatch | EarlyStopping) -> dict[str, str]:
    """All but its config, as text: JSON lacks infinity."""
    return {name: str(value) for name, value in vars(watcher).items() if name != "config"}


def _set_counters(watcher: CollapseWatch | EarlyStopping, counters: Mapping[str, str]) -> None:
    for name, value in counters.items():
        setattr(watcher, name, type(getattr(watcher, name))(value))
