"""What the commands say while they work, on standard error: bars on a terminal, single lines elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from shared.commandline import printable, with_typed_commands
from shared.jobs.pace import rate_text


class Bar(Protocol):
    """Moves a progress bar."""

    def __call__(self, done: int, words: str = "", *, total: int | None = None) -> None:
        """Show how much is done, a few words beside it, and a total that has changed."""
        ...


class Display:
    """Standard error of one command."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False)

    def line(self, text: str) -> None:
        """Say one line."""
        self.console.print(Text(with_typed_commands(printable(text))), soft_wrap=True)

    @contextmanager
    def progress(self, what: str, total: int) -> Iterator[Bar]:
        """Show a bar with rate and time left while the body runs; nothing where there is no terminal."""
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            _RateColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[words]}", markup=False),
        )
        with Progress(*columns, console=self.console, disable=not self.console.is_terminal) as progress:
            task = progress.add_task(what, total=total, words="")

            def move(done: int, words: str = "", *, total: int | None = None) -> None:
                progress.update(task, completed=done, words=words, total=total)

            yield move


class _RateColumn(ProgressColumn):
    """How many a second."""

    def render(self, task: Task) -> Text:
        """Return the rate of the last half minute, or at first that since the start."""
        rate = task.finished_speed or task.speed or (task.completed / task.elapsed if task.elapsed else 0.0)
        return Text(f"{rate_text(rate)}/s" if rate else "", style="progress.data.speed")
