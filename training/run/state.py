"""A run that can go on: the training state, one safetensors file with JSON in its header. Nothing is unpickled.

It holds a description of what made the run, and the `state_dict` of the run and of each watcher: the tensors by their
path, all else as JSON in its place. Dropout and samples draw from streams named by the seed and the position, so no
state of a generator has to be kept.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from shared.errors import CheckpointError, UsageError
from shared.files import replacing
from shared.net.checkpoint import library_versions
from shared.net.weights_file import check_weights_file
from training.config import TrainingConfig, check_config
from training.recipe.loop import TrainingRun
from training.recipe.provenance import data_definition, describe_config, differences
from training.run.watch import CollapseWatch, EarlyStopping

STATE_NAME = "training_state.safetensors"
_FORMAT_VERSION = 3
_HEADER = "delineate.training_state"
_SEPARATOR = "/"  # of a tensor's path in the parts; the names of a network's tensors have dots
_ABOUT = ("config", "data_definition", "versions", "started_from", "finished")
_PARTS = ("run", "watch", "stopping")


@dataclass(frozen=True, eq=False)
class TrainingState:
    """A state as read from its file: what it says of the run, and the `state_dict` of each part."""

    path: Path
    description: dict[str, Any]
    parts: dict[str, dict[str, Any]]

    @property
    def config(self) -> TrainingConfig:
        """The config that the run began with."""
        return check_config(dict(self.description["config"]), (), f"the config in {self.path}")

    @property
    def started_from(self) -> dict[str, Any] | None:
        """The weights that the run started from, as `Metadata.training` records them."""
        origin: dict[str, Any] | None = self.description["started_from"]
        return origin

    @property
    def images(self) -> int:
        """Images that the run had seen."""
        with _complete(self.path):
            return int(self.parts["run"]["position"]["images"])


def save_state(
    path: Path, run: TrainingRun, watch: CollapseWatch, stopping: EarlyStopping, started_from: dict[str, Any] | None
) -> None:
    """Replace the state file in one step. Of several processes the first calls this, behind `pool_metrics`."""
    about = {
        "format_version": _FORMAT_VERSION,
        "config": describe_config(run.config),
        "data_definition": run.data_definition,
        "versions": library_versions(),
        "started_from": started_from,
        "finished": run.done >= 1 or stopping.is_over,
    }
    tensors: dict[str, Tensor] = {}
    parts = {
        name: _without_tensors(part.state_dict(), name, tensors)
        for name, part in (("run", run), ("watch", watch), ("stopping", stopping))
    }
    with replacing(path) as aside:
        save_file(tensors, aside, {_HEADER: json.dumps(about | parts, allow_nan=False)})


def load_state(path: Path) -> TrainingState:
    """Read a state file, or the one in a run's folder.

    Raises:
        CheckpointError: there is none, or it cannot be used; one line with the reason.
    """
    path = path / STATE_NAME if path.is_dir() else path
    if not path.is_file():
        raise CheckpointError(f"there is no training state at {path}: give the folder of a run that was stopped")
    description = describe_state(path)
    tensors = load_file(path)
    with _complete(path):
        about = {name: description[name] for name in _ABOUT}
        return TrainingState(path, about, _with_tensors({name: description[name] for name in _PARTS}, tensors))


def describe_state(path: Path) -> dict[str, Any]:
    """Read what a state file says of its run, without its tensors.

    Raises:
        CheckpointError: it is none, or of another version.
    """
    check_weights_file(path)
    with safe_open(path, "pt") as file:
        header = (file.metadata() or {}).get(_HEADER)
    if header is None:
        raise CheckpointError(f"{path} is no training state: weights alone can be trained on with --init")
    description: dict[str, Any] = json.loads(header)
    version = description.get("format_version")
    if version != _FORMAT_VERSION:
        raise CheckpointError(
            f"{path} has format version {version}, this version of Delineate reads {_FORMAT_VERSION}: "
            "end the run with the version that began it, or start anew from its weights with --init"
        )
    return description


def check_same_run(state: TrainingState, config: TrainingConfig) -> None:
    """Check that the state is of this config and this task.

    Raises:
        UsageError: it is not; every key that differs is named.
    """
    changed = differences(describe_config(state.config), describe_config(config))
    changed += differences(state.description["data_definition"], data_definition(config.data), "data_definition.")
    if changed:
        raise UsageError(
            f"{state.path} belongs to another run ({'; '.join(changed)}): resume with its own config, "
            "or start a new run from its weights with --init"
        )


def check_free(out: Path) -> None:
    """Check that a new run in this folder would destroy none.

    Raises:
        UsageError: it would.
    """
    if not (out / STATE_NAME).is_file():
        return
    state = load_state(out)
    if not state.description["finished"]:
        raise UsageError(
            f"{out} holds a run that is not finished ({state.images:,} images): go on with "
            f"--resume {out}, or give another --out, or --overwrite"
        )
    raise UsageError(f"{out} holds a finished run ({state.images:,} images): give another --out, or --overwrite")


def changed_versions(state: TrainingState) -> list[str]:
    """Name the versions of code and libraries that are no longer those of the state; results may differ slightly."""
    return differences(state.description["versions"], library_versions())


def restore(state: TrainingState, run: TrainingRun, watch: CollapseWatch, stopping: EarlyStopping) -> None:
    """Put the run and what watches it where they were when the state was saved.

    Raises:
        CheckpointError: the state lacks something.
    """
    with _complete(state.path):
        run.load_state_dict(state.parts["run"])
        watch.load_state_dict(state.parts["watch"])
        stopping.load_state_dict(state.parts["stopping"])


def _without_tensors(state: Mapping[str, Any], path: str, tensors: dict[str, Tensor]) -> dict[str, Any]:
    """Return the plain values of a nested state; its tensors go to `tensors`, by their path."""
    plain: dict[str, Any] = {}
    for name, value in state.items():
        inside = f"{path}{_SEPARATOR}{name}"
        if isinstance(value, Tensor):
            tensors[inside] = value.detach().cpu().contiguous()
        else:
            plain[name] = _without_tensors(value, inside, tensors) if isinstance(value, Mapping) else value
    return plain


def _with_tensors(parts: dict[str, dict[str, Any]], tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Any]]:
    """Put the tensors to their places among the plain values; the inverse of `_without_tensors`."""
    for path, tensor in tensors.items():
        *folders, name = path.split(_SEPARATOR)
        inside: dict[str, Any] = parts
        for folder in folders:
            inside = inside[folder]
        inside[name] = tensor
    return parts


@contextmanager
def _complete(path: Path) -> Iterator[None]:
    """Turn a key that is not there into one line."""
    try:
        yield
    except KeyError as error:
        raise CheckpointError(f"{path} lacks {error.args[0]}: begin the run anew in another --out") from error
