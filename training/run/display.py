"""What the user sees while a network trains: a progress bar on a terminal, plain lines elsewhere."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from training.config import TrainingConfig
from training.recipe.curriculum import phase_name
from training.recipe.loop import Position

_COLUMNS = ("images", "minutes", "loss", "val_dice", "clean_dice", "val_iou", "val_precision", "val_recall")
_OF_EMPTIES = "val_empty"  # share of the images without a truth that are answered so


class Display:
    """The progress of one run; silent in all processes but the first."""

    def __init__(self, config: TrainingConfig, *, silent: bool) -> None:
        self.config = config
        self.console = Console(quiet=silent, highlight=False, soft_wrap=True)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[speed]}"),
            TextColumn("{task.fields[left]}"),
        )
        hidden = silent or not self.console.is_terminal
        self._bar = Progress(*columns, console=self.console, disable=hidden, refresh_per_second=4)
        self._task = self._bar.add_task(config.name, total=1.0, speed="", left="")

    def say(self, line: str) -> None:
        """Print one line above the bar."""
        self.console.print(line, markup=False)

    def step(self, position: Position, done: float, images_per_second: float, left: str) -> None:
        """Move the bar.

        Args:
            position: of the run.
            done: share of the budget that is spent.
            images_per_second: since the last validation.
            left: how long it still takes, in words.
        """
        epoch = f" epoch {position.epoch}" if self.config.budget.epochs else ""
        phase = phase_name(self.config.curriculum, position.epoch)
        description = f"{self.config.name}{epoch} {phase}".rstrip()
        speed = f"{images_per_second:.1f} images/s"
        self._bar.update(self._task, completed=done, description=description, speed=speed, left=left)

    def validated(self, record: Mapping[str, Any], left: str) -> None:
        """Print one line of scores, and how long it still takes."""
        epoch = f"epoch {record['epoch']}  " if self.config.budget.epochs else ""
        columns = (name for name in (*_COLUMNS, _OF_EMPTIES) if name in record)
        scores = "  ".join(f"{name} {record[name]:.4g}" for name in columns)
        self.say(f"{epoch}{scores}  {left}".rstrip())

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
