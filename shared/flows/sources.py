"""What is submitted: sources, and how they fall into shards."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

from shared.jobs.records import FileVersion
from shared.store.references import Listed

T = TypeVar("T")

MAX_PATH_BYTES = 2000
"""A longer path does not fit into PostgreSQL's index of paths."""

# The first shards are small, so that the first results come soon.
_FIRST_SHARD_ITEMS = 4


@dataclass(frozen=True)
class Source:
    """An image to submit: its relative path with `/`, and how to read its bytes.

    `read` and `truth` run in an upload thread. An ItemError says that the file cannot be used; only that item fails.
    `version` looks at what would be read now, None where that is nothing; without it the bytes are always the same. One
    that is `referred` to is not read: it stays where it lies.
    """

    path: str
    read: Callable[[], bytes]
    version: Callable[[], FileVersion | None] | None = None
    described: dict[str, str] | None = field(default=None, compare=False)  # what a manifest says of it, by column
    describe: Callable[[], dict[str, str]] | None = field(default=None, compare=False)  # likewise, once it was read
    referred: Listed | None = None
    truth: Callable[[], bytes] | None = field(default=None, compare=False)  # reads its true mask, a PNG of 1 bit

    def said(self) -> dict[str, str] | None:
        """Return what comes back with it, by column; after `read`."""
        return self.described if self.describe is None else self.describe()


@dataclass(frozen=True)
class SubmissionProgress:
    """How far a submission is: files handled, those that failed already, bytes uploaded, files that were taken anew."""

    files: int = 0
    failed: int = 0
    bytes: int = 0
    changed: int = 0


def blocks(values: Iterable[T], largest: int) -> Iterator[list[T]]:
    """Yield what makes a shard each, the first ones small."""
    iterator = iter(values)
    size = min(_FIRST_SHARD_ITEMS, largest)
    while block := list(islice(iterator, size)):
        yield block
        size = min(size * 2, largest)
