"""What the pages read beyond `Repository`: pages in both directions, neighbours, failures by reason, the clock.

Pages are cut by key, never by offset: page 1,000 costs as much as page 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import func, select

from shared.db.database import Database, db_now
from shared.db.tables.jobs import HAS_FAILED, HAS_PENDING, ItemRow, ShardRow
from shared.jobs.filters import ALL_JOBS, JobFilter, JobSort
from shared.jobs.item_search import ItemSearch, Place
from shared.jobs.listing import ids_page
from shared.jobs.records import Item, Job
from shared.jobs.repository import Repository

JOBS_A_PAGE = 25
ITEMS_A_PAGE = 36
MAX_COUNTED = 10_000
"""Failures of one code that are counted one by one."""


@dataclass(frozen=True)
class JobsPage:
    """Jobs in their order. `older` and `newer` are cursors for `jobs_page`; `newer` is "" for the first page."""

    jobs: list[Job]
    older: str | None
    newer: str | None


@dataclass(frozen=True)
class ItemsPage:
    """Items in their order. `next` and `previous` are places for `items_page`; None: there is no such page."""

    items: list[Item]
    next: Place | None
    previous: Place | Literal["start"] | None


@dataclass(frozen=True)
class FailureReason:
    """How many items failed with an error code (`more`: or more than that), with the reason of one of them."""

    code: str
    count: int
    example: str
    more: bool = False


@dataclass(frozen=True)
class Released:
    """Waiting images that a worker released, since a service was away or full, or memory was short."""

    images: int
    rest: float  # seconds until some of them are tried again


def jobs_page(
    repository: Repository,
    before: str | None,
    wanted: JobFilter = ALL_JOBS,
    sort: JobSort = JobSort.NEWEST,
) -> JobsPage:
    """Return the page of the jobs of a filter that follow `before` in their order, or the first."""
    found = ids_page(repository.database, wanted, sort=sort, before=before, limit=JOBS_A_PAGE)
    return JobsPage(repository.jobs_of(found.ids), older=found.older, newer=found.newer)


def items_page(search: ItemSearch, after: Place | None) -> ItemsPage:
    """Return the page of items behind a place; None: the first page."""
    found = search.page(limit=ITEMS_A_PAGE, after=after)
    if after is None:
        return ItemsPage(found.items, found.next, previous=None)
    # The page before this one begins behind the item that is one page and one item before.
    before = search.before(search.place_of(found.items[0]) if found.items else after, limit=ITEMS_A_PAGE + 1).items
    if len(before) > ITEMS_A_PAGE:
        return ItemsPage(found.items, found.next, search.place_of(before[-1]))
    return ItemsPage(found.items, found.next, "start")


def failure_reasons(database: Database, job: Job) -> list[FailureReason]:
    """Return why items of a job failed, the most frequent code first.

    No more than MAX_COUNTED are counted of a code. Where that is too few for one code alone, its count is what the
    job's own count of failures leaves for it.
    """
    failed = (ItemRow.job_id == job.id, HAS_FAILED)
    smallest = select(func.min(ItemRow.error_code).label("code")).where(*failed)
    codes = smallest.cte("codes", recursive=True)
    following = smallest.where(ItemRow.error_code > codes.c.code).correlate(codes).scalar_subquery()
    codes = codes.union_all(select(following).where(codes.c.code.is_not(None)))
    of_code = select(ItemRow.number).where(*failed, ItemRow.error_code == codes.c.code).correlate(codes)
    counted = select(func.count()).select_from(of_code.limit(MAX_COUNTED + 1).subquery()).scalar_subquery()
    example = of_code.with_only_columns(ItemRow.error).order_by(ItemRow.number).limit(1).scalar_subquery()
    with database.read() as connection:
        rows = connection.execute(select(codes.c.code, counted, example).where(codes.c.code.is_not(None))).all()
    many = [code for code, count, _ in rows if count > MAX_COUNTED]
    rest = job.counts.failed - sum(count for _, count, _ in rows if count <= MAX_COUNTED)
    reasons = [
        FailureReason(code, count, example or "")
        if count <= MAX_COUNTED
        else FailureReason(code, max(rest, count), example or "")
        if len(many) == 1
        else FailureReason(code, MAX_COUNTED, example or "", more=True)
        for code, count, example in rows
    ]
    return sorted(reasons, key=lambda reason: (-reason.count, reason.code))


def released(database: Database, jobs: Sequence[str]) -> dict[str, Released]:
    """Return what of each of these jobs waits because workers released it, and nothing of its shard has ended since."""
    rest = func.min(ShardRow.not_before) - db_now()
    waiting = (
        select(ShardRow.job_id, func.sum(ShardRow.pending), rest)
        .where(ShardRow.job_id.in_(jobs), HAS_PENDING, ShardRow.releases > 0)
        .group_by(ShardRow.job_id)
    )
    with database.read() as connection:
        rows = connection.execute(waiting)
        return {job_id: Released(int(images), max(0.0, float(seconds))) for job_id, images, seconds in rows}


def now(database: Database) -> float:
    """Return the database's clock, on which all times of a job are."""
    with database.read() as connection:
        return float(connection.execute(select(db_now())).scalar_one())
