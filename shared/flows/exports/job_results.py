"""A job as its exports read it."""

from collections.abc import Iterator, Sequence

from shared.flows.exports.names import PNG, job_output_names, output_names
from shared.flows.items import all_items, all_teaching
from shared.jobs.records import Item, Job
from shared.jobs.repository import Repository
from shared.jobs.state import ItemStatus
from shared.store import ObjectStore


class JobResults:
    """The items of a job, the names that their files get in every export alike, and the store with their objects."""

    def __init__(self, repository: Repository, store: ObjectStore, job: Job) -> None:
        """Read the names of all items; about half a kilobyte of memory for each.

        Raises:
            UsageError: an item's path leads out of a folder.
        """
        self.job = job
        self.store = store
        self._repository = repository
        self._names = {PNG: job_output_names(repository, job.id)}

    def items(self, *, states: Sequence[ItemStatus] = ()) -> Iterator[Item]:
        """Yield the items (that are in one of `states`) as they are now, by number, a page at a time."""
        return all_items(self._repository, self.job.id, states=states)

    def succeeded(self, ending: str = PNG) -> Iterator[tuple[Item, str]]:
        """Yield each item that has a result, with its output name: its path with the extension `ending`."""
        named = self.named(states=[ItemStatus.SUCCEEDED], ending=ending)
        return ((item, name) for item, name in named if name)

    def teaching(self) -> Iterator[tuple[Item, str]]:
        """Yield each result that is a pair to train on, accepted or corrected by hand, with its output name."""
        names = self._names_with(PNG)
        for item in all_teaching(self._repository, self.job.id):
            if item.path in names:
                yield item, names[item.path]

    def named(self, *, states: Sequence[ItemStatus] = (), ending: str = PNG) -> Iterator[tuple[Item, str]]:
        """Yield each item (that is in one of `states`) with its output name, which is empty where it has no result.

        An item that came after the names were read belongs to a job that still runs: it waits for the next time.
        """
        names = self._names_with(ending)
        for item in self.items(states=states):
            yield item, names.get(item.path, "") if item.state is ItemStatus.SUCCEEDED else ""

    def _names_with(self, ending: str) -> dict[str, str]:
        """Return the names of all items, whatever is wanted of them: they are the same in every export."""
        if ending not in self._names:
            self._names[ending] = output_names(self._names[PNG], ending)
        return self._names[ending]
