"""What an export is: a name, words for people, and a stream of files made from a job's items.

Where the files go is no business of an export: `producer` writes them to a folder, the admin sends them as a zip. Both
take them from the stream in order, and fetch what is stored some files ahead. What an item cannot give is a `Lack`, and
no reason to leave out the others.
"""

import importlib.util
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential

from shared.errors import ImageError, ObjectMissing, StoreUnavailable, UsageError
from shared.flows.exports.job_results import JobResults
from shared.jobs.records import Job
from shared.store import ObjectStore

# A store that is restarted or replaced is back within this; whoever waits longer is told.
_PATIENCE_SECONDS = 20.0
_fetching = Retrying(
    retry=retry_if_exception_type(StoreUnavailable),
    wait=wait_exponential(multiplier=0.5, max=5),
    stop=stop_after_delay(_PATIENCE_SECONDS),
    reraise=True,
)


class NotExportable(UsageError):
    """A format cannot hold this item; the text says why, and which one can."""


@dataclass(frozen=True)
class Lack:
    """Something that an export cannot give."""

    path: str  # of the item, as it was submitted; empty where it is not known
    file: str  # the name that it would have, where it would have one of its own
    reason: str  # one line
    lost: bool = False  # the object store does not have it any more


@dataclass(frozen=True)
class StoredFile:
    """A file made of stored objects of one item, held whole in memory; fetched in a thread, while others are written.

    Args:
        name: relative, with `/`; unique in the export.
        key: the object's.
        modified: when the result came about, in Unix seconds. A file on disk with this very time is that result, and is
            not fetched again.
        convert: makes the file's bytes from those of the object (and of `more`), in the thread that fetched them; None
            leaves them as they are.
        path: the item's, to tell what is missing.
        more: keys of further objects.
    """

    name: str
    key: str
    modified: float
    convert: Callable[..., bytes] | None = None
    path: str = ""
    more: tuple[str, ...] = ()

    def read(self, store: ObjectStore) -> bytes | Lack:
        """Return the file's bytes; what lacks where the store has lost an object, or the format cannot hold it.

        Raises:
            StoreUnavailable: the store did not answer, time and again.
        """
        try:
            objects = [_fetching.copy()(store.get, key) for key in (self.key, *self.more)]
            return objects[0] if self.convert is None else self.convert(*objects)
        except ObjectMissing:
            return Lack(self.path, self.name, "the object store has lost it: `admin audit` tells more", lost=True)
        except (ImageError, NotExportable) as error:
            return self.lack(str(error))

    def lack(self, reason: str) -> Lack:
        """Return that this file is missing."""
        return Lack(self.path, self.name, reason)


@dataclass(frozen=True)
class WrittenFile:
    """A file made while it is written: a table, an index. It is made anew each time, once all before it are written.

    Args:
        name: relative, with `/`; unique in the export.
        blocks: yields the bytes, a few at a time, so that memory stays flat; called once.
        lacking: what it goes without, known once all bytes were taken.
    """

    name: str
    blocks: Callable[[], Iterable[bytes]]
    lacking: list[Lack] = field(default_factory=list)


def part_lacks(lack: Lack) -> Lack:
    """Return the lack of a part, which has no file of its own."""
    return replace(lack, file="")


Part = tuple[StoredFile, bytes]
"""What one item brings to a gathered file."""


@dataclass(frozen=True)
class GatheredFile:
    """One file of all items: parts of it are made from stored objects in threads, as files are, then framed in order.

    Args:
        name: relative, with `/`; unique in the export.
        parts: yields them; the name of each is its item's id. A folder keeps what it has of them until the file is
            whole, so that a repeat goes on.
        frame: makes the file's bytes of the parts that there are, a few at a time.
    """

    name: str
    parts: Callable[[], Iterator[StoredFile]]
    frame: Callable[[Iterable[Part]], Iterable[bytes]]


ExportFile = StoredFile | WrittenFile | GatheredFile


def absent(modules: Iterable[str]) -> list[str]:
    """Return those of some modules that are not installed."""
    return [module for module in modules if importlib.util.find_spec(module) is None]


@dataclass(frozen=True)
class Export:
    """A format in which the results of a job leave.

    Args:
        name: stands in `--format` and `?format=`: lower-case letters, digits and hyphens.
        label: for people, such as on a button; one or a few words.
        description: what is in it, in one line.
        files: yields the files of a job, as far as it has come. Wherever a file says that the export is complete, it is
            the last one.
        count: how many files `files` will yield at most, for a progress bar.
        top: the names that `files` can begin with, up to the first `/`. A folder that has one of them, and of which
            nobody knows that it is the job's, is not written to.
        needs: modules that have to be installed, which the extra `export` brings.
    """

    name: str
    label: str
    description: str
    files: Callable[[JobResults], Iterator[ExportFile]]
    count: Callable[[Job], int]
    top: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()

    @property
    def single(self) -> str | None:
        """The name of its only file, which can be written under any name; None where it has several or a folder."""
        return self.top[0] if len(self.top) == 1 and "." in self.top[0] else None

    @property
    def is_installed(self) -> bool:
        """Whether what it needs is installed."""
        return not absent(self.needs)

    def check_installed(self) -> None:
        """Look whether what it needs is installed.

        Raises:
            UsageError: it is not.
        """
        if missing := absent(self.needs):
            raise UsageError(
                f"the export {self.name} needs {' and '.join(missing)}: pip install 'delineate[export]' brings it"
            )
