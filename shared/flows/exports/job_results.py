"""A job as its exports read it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from shared.flows.exports.names import PNG, job_output_names, output_names
from shared.flows.item_words import FilterWords
from shared.flows.items import all_items, all_teaching, found_items
from shared.jobs.records import Item, Job
from shared.jobs.repository import Repository
from shared.jobs.state import ItemStatus
from shared.store import ObjectStore


class JobResults:
    """The wanted items of a job, the names that their files have in every export, and the store with their objects."""

    def __init__(self, repository: Repository, store: ObjectStore, job: Job, wanted: FilterWords | None = None) -> None:
        """Read the names of all items; about half a kilobyte of memory for each.

        Args:
            repository: where the items are.
            store: where their objects are.
            job: whose.
            wanted: which of its items are; None: all of them.

        Raises:
            UsageError: an item's path leads out of a folder.
        """
        self.job = job
        self.store = store
        self.wanted = wanted or FilterWords()
        self._repository = repository
        self._names = {PNG: job_output_names(repository, job.id)}

    def items(self, *, states: Sequence[ItemStatus] = ()) -> Iterator[Item]:
        """Yield the items (that are in one of `states`) as they are now, by number, a page at a time."""
        wanted = self.wanted.filter
        if not wanted:
            return all_items(self._repository, self.job.id, states=states)
        if states:
            both = tuple(state for state in wanted.states or states if state in states)
            if not both:
                return iter(())
            wanted = replace(wanted, states=both)
        return found_items(self._repository, self.job.id, wanted)

    def succeeded(self, ending: str = PNG) -> Iterator[tuple[Item, str]]:
        """Yield each item that has a result, with its output name: its path with the extension `ending`."""
        named = self.named(states=[ItemStatus.SUCCEEDED], ending=ending)
        return ((item, name) for item, name in named if name)

    def teaching(self) -> Iterator[tuple[Item, str]]:
        """Yield each result that is a pair to train on, accepted or corrected by hand, with its output name."""
        names = self._names_with(PNG)
        wanted = {item.number for item in self.items()} if self.wanted.filter else None
        for item in all_teaching(self._repository, self.job.id):
            if item.path in names and (wanted is None or item.number in wanted):
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
