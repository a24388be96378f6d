"""All items of a job, a page at a time: memory stays flat, whatever the job's size."""

from collections.abc import Iterator, Sequence

from shared.jobs.item_filter import ItemFilter
from shared.jobs.records import Item, Mark
from shared.jobs.repository import Repository
from shared.jobs.state import ItemStatus

_PAGE_ITEMS = 500
_PAGE_PATHS = 10_000


def all_items(
    repository: Repository, job_id: str, *, states: Sequence[ItemStatus] = (), mark: Mark | None = None
) -> Iterator[Item]:
    """Yield every item of a job (that is in one of `states`, that has `mark`) by number, a page at a time."""
    after = -1
    while page := repository.items(job_id, limit=_PAGE_ITEMS, after=after, states=states, mark=mark):
        yield from page
        after = page[-1].number


def all_teaching(repository: Repository, job_id: str | None = None) -> Iterator[Item]:
    """Yield every result that is a pair to train on, of a job or of all that there are, by id, a page at a time."""
    after = ""
    while page := repository.teaching(job_id, limit=_PAGE_ITEMS, after=after):
        yield from page
        after = page[-1].id


def found_items(repository: Repository, job_id: str, wanted: ItemFilter) -> Iterator[Item]:
    """Yield every item of a job that a filter lets through by number, a page at a time."""
    after: int | None = -1
    while after is not None:
        page, after = repository.found(job_id, wanted, limit=_PAGE_ITEMS, after=after)
        yield from page


def all_paths(repository: Repository, job_id: str) -> Iterator[str]:
    """Yield the path of every item of a job, by number."""
    return (path for _, path in numbered_paths(repository, job_id))


def numbered_paths(repository: Repository, job_id: str) -> Iterator[tuple[int, str]]:
    """Yield number and path of every item of a job, by number."""
    after = -1
    while page := repository.paths(job_id, limit=_PAGE_PATHS, after=after):
        yield from page
        after = page[-1][0]
