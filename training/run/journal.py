"""The records of a run: metrics.jsonl, one line for each validation, and the same in TensorBoard's files."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from torch.utils.tensorboard import SummaryWriter

from shared.files import replacing

JOURNAL_NAME = "metrics.jsonl"


class Journal:
    """Writer of a run's records. A run that goes on keeps the records up to the images that it has seen."""

    def __init__(self, out: Path, images: int) -> None:
        self.path = out / JOURNAL_NAME
        kept = [record for record in read_records(self.path) if record["images"] <= images] if images else []
        with replacing(self.path) as aside:
            aside.write_text("".join(json.dumps(record) + "\n" for record in kept), encoding="utf-8")
        self._file = self.path.open("a", encoding="utf-8")
        self._board: SummaryWriter = SummaryWriter(str(out / "tensorboard"), purge_step=images + 1 if images else 0)

    def write(self, record: Mapping[str, Any]) -> None:
        """Add a record; its numbers go to TensorBoard, by images."""
        self._file.write(json.dumps(record) + "\n")
        self._file.flush()
        for name, value in record.items():
            if isinstance(value, int | float) and name != "images":
                self._board.add_scalar(_group(name), value, record["images"])
        self._board.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._board.close()


class NoJournal:
    """The journal of the other processes, which write nothing."""

    def write(self, record: Mapping[str, Any]) -> None:
        """Write nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        return None


def read_records(path: Path) -> list[dict[str, Any]]:
    """Read the records of a metrics.jsonl; none where there is no such file.

    A line that a kill left without its end is no record.
    """
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def _group(name: str) -> str:
    """Return the tag in TensorBoard: validation scores and losses stand together."""
    if name.startswith(("val_", "clean_")):
        return f"validation/{name}"
    return f"loss/{name}" if name in ("loss", "dice", "bce", "boundary") else f"run/{name}"
