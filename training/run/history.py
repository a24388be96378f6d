"""The runs of a folder, read from what they left: data, score, cost, and how their configurations differ."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from shared.db.model_registry import Score, score_of
from shared.errors import CheckpointError, UsageError
from shared.net.checkpoint import METADATA_NAME, WEIGHTS_NAME, read_metadata
from shared.net.metadata import Metadata
from training.config import TrainingConfig
from training.recipe.provenance import changes, describe_config
from training.run.journal import JOURNAL_NAME, read_records
from training.run.state import STATE_NAME, describe_state

# What tells runs apart, and no difference of what is trained.
_BESIDE = ("name", "data.folder", "threads")


@dataclass(frozen=True)
class Run:
    """A run as its folder tells of it."""

    path: Path
    data: str  # what it is trained on: the folder's path, "reviewed results", or the definition of the scenes
    config: Mapping[str, Any]
    origin: Mapping[str, str]  # of its weights and its data, in words where they are not those of any run
    score: Score | None  # on what was held out; None before the first validation
    held_out: int | None  # pairs of a folder that were held out
    samples: int
    minutes: float
    ended: float  # of its last weights or state, seconds since 1970
    finished: bool


@dataclass(frozen=True)
class Compared:
    """A run beside the first one on the same data."""

    run: Run
    is_first: bool
    differences: tuple[str, ...]  # "KEY=VALUE", as --set takes them, behind what no setting tells

    @property
    def when(self) -> datetime:
        """The moment of its last weights or state."""
        return datetime.fromtimestamp(self.run.ended, UTC)


def compared_runs(folder: Path) -> tuple[list[Compared], list[str]]:
    """Read all runs below a folder; those of the same data one after the other, the oldest first.

    Returns:
        The runs, and a line for each that cannot be read.

    Raises:
        UsageError: there is no such folder, or no run in it.
    """
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}: name the one that runs are in")
    runs, unread = [], []
    for path in _places(folder):
        try:
            runs.append(read_run(path))
        except (CheckpointError, OSError, ValueError) as error:
            unread.append(f"{path}: {error}")
    if not runs and not unread:
        raise UsageError(f"{folder} holds no run: `python -m training.train` writes them to runs/, or where --out says")
    return list(_compared(runs)), unread


def read_run(path: Path) -> Run:
    """Read what a run left in its folder.

    Raises:
        CheckpointError: its model.json or its state cannot be read.
        OSError, ValueError: likewise of its records.
    """
    metadata = read_metadata(path / METADATA_NAME) if (path / METADATA_NAME).is_file() else None
    state = describe_state(path / STATE_NAME) if (path / STATE_NAME).is_file() else None
    training = metadata.training if metadata else {}
    config = _complete((state or training).get("config"))
    last = next(reversed(read_records(path / JOURNAL_NAME)), training)
    held_out = training.get("held_out")
    written = [path / name for name in (WEIGHTS_NAME, STATE_NAME) if (path / name).is_file()]
    return Run(
        path=path,
        data=_data_of(config),
        config=config,
        origin=_origin(metadata, training, state),
        score=score_of(metadata.metrics, "val") if metadata else None,
        held_out=len(held_out) if isinstance(held_out, list) and held_out else None,
        samples=int(last.get("images", 0)),
        minutes=float(last.get("minutes", 0)),
        ended=max(each.stat().st_mtime for each in written or [path]),
        # Weights without a state are an average, or were copied from where they were trained.
        finished=bool(state["finished"]) if state else True,
    )


def _places(folder: Path) -> list[Path]:
    return sorted({found.parent for name in (METADATA_NAME, STATE_NAME) for found in folder.rglob(name)})


def _complete(config: object) -> dict[str, Any]:
    """Return a config with the defaults of this version, so that one of an older version differs in what differs."""
    try:
        return describe_config(TrainingConfig.model_validate(config))
    except ValidationError:
        return dict(config) if isinstance(config, Mapping) else {}


def _data_of(config: Mapping[str, Any]) -> str:
    data = config.get("data")
    if not isinstance(data, Mapping):
        return "unknown"
    match data.get("kind"):
        case "folder":
            return str(data.get("folder"))
        case "job":
            return "reviewed results"
    return str(data.get("definition"))


def _origin(metadata: Metadata | None, training: Mapping[str, Any], state: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the hashes and counts of what a run was made from beside its config."""
    start, parts = (state or training).get("started_from"), training.get("average_of")
    definition = state["data_definition"] if state else metadata.data_definition if metadata else {}
    return {
        "weights": f"from weights {str(start.get('sha256'))[:12]}" if isinstance(start, Mapping) else "from scratch",
        "average": f"the average of {len(parts)} runs" if isinstance(parts, list) else "one run",
        "data": str(definition.get("sha256", "")),
    }


def _compared(runs: Iterable[Run]) -> Iterator[Compared]:
    first: dict[str, Run] = {}
    for run in sorted(runs, key=lambda run: (run.data, run.ended, run.path)):
        if run.data not in first:
            first[run.data] = run
            yield Compared(run, is_first=True, differences=())
        else:
            yield Compared(run, is_first=False, differences=tuple(_differences(first[run.data], run)))


def _differences(first: Run, run: Run) -> Iterator[str]:
    for key, _, now in changes(first.origin, run.origin):
        yield "other data of this name" if key == "data" else str(now)
    for key, _, value in changes(first.config, run.config):
        if key not in _BESIDE:
            yield f"{key}={_as_typed(value)}"


def _as_typed(value: object) -> str:
    """Return a value as --set takes it: JSON is YAML."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
