"""What an export is: a name, words for people, and a stream of files made from a job's items.

Where the files go is no business of an export: `producer download` writes them to a folder, the admin sends them as a
zip. Both take them from the stream in order, and fetch what is stored some files ahead.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from shared.errors import ImageError, ObjectMissing
from shared.flows.exports.job_results import JobResults
from shared.jobs.records import Job
from shared.store import ObjectStore


@dataclass(frozen=True)
class StoredFile:
    """A file made of one stored object, held whole in memory; it is fetched in a thread, while others are written.

    Args:
        name: relative, with `/`; unique in the export.
        key: the object's.
        modified: when the result came about, in Unix seconds. A file on disk with this very time is that result, and is
            not fetched again.
        convert: makes the file's bytes from the object's, in the thread that fetched it; None leaves them as they are.
    """

    name: str
    key: str
    modified: float
    convert: Callable[[bytes], bytes] | None = None

    def read(self, store: ObjectStore) -> bytes | None:
        """Return the file's bytes; None where the store has lost the object, or holds a damaged one."""
        try:
            data = store.get(self.key)
            return data if self.convert is None else self.convert(data)
        except (ObjectMissing, ImageError):
            return None


@dataclass(frozen=True)
class WrittenFile:
    """A file made while it is written: a table, an index. It is made anew each time, once all before it are written.

    Args:
        name: relative, with `/`; unique in the export.
        blocks: yields the bytes, a few at a time, so that memory stays flat; called once.
    """

    name: str
    blocks: Callable[[], Iterable[bytes]]


ExportFile = StoredFile | WrittenFile


@dataclass(frozen=True)
class Export:
    """A format in which the results of a job leave.

    Args:
        name: stands in `--format` and `?format=`: lower-case letters, digits and hyphens.
        label: for people, such as on a button; one or a few words.
        description: what is in it, in one line.
        files: yields the files of a job, as far as it has come. Wherever a file says that the export is complete, it is
            the last one.
        count: how many files `files` will yield, for a progress bar.
        top: the names that `files` can begin with, up to the first `/`. A folder that has one of them, and of which
            nobody knows that it is the job's, is not written to.
    """

    name: str
    label: str
    description: str
    files: Callable[[JobResults], Iterator[ExportFile]]
    count: Callable[[Job], int]
    top: tuple[str, ...] = ()
