"""Which objects under a job's prefix its rows name: what the audit reports by, and what tidying up deletes by."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from shared.db.tables.jobs import ItemRow
from shared.db.tables.reviews import ReviewStepRow
from shared.errors import UsageError
from shared.jobs.state import ItemStatus
from shared.store import ObjectInfo, keys
from shared.store.keys import KeyKind

NAMED_BY: Mapping[KeyKind, str] = {
    KeyKind.SOURCE: "source_key",
    KeyKind.TRUTH: "truth_key",
    KeyKind.MASK: "mask_key",
    KeyKind.PROBABILITY: "probability_key",
}
"""The column of an item that names each kind of object."""


class Listed(NamedTuple):
    """An object below a job's prefix. `item` holds columns of the row whose id is in its key, None without one."""

    info: ObjectInfo
    kind: KeyKind | None  # None: not a key of ours
    item: Mapping[str, Any] | None
    is_correction: bool = False  # that the history of its item names

    @property
    def is_named(self) -> bool:
        """Whether the item's row, or its history, names this very object."""
        if self.kind is KeyKind.PREVIEW:  # no row names it: it can be made again
            return self.item is not None and self.item["state"] == ItemStatus.SUCCEEDED
        if self.kind is None or self.kind not in NAMED_BY:
            return self.is_correction
        return self.item is not None and bool(self.item[NAMED_BY[self.kind]] == self.info.key)

    @property
    def is_waste(self) -> bool:
        """Whether nobody names it, and no work that is still open can come to."""
        return not self.is_named and (self.item is None or ItemStatus(self.item["state"]).is_final)


def owned(connection: Connection, job_id: str, page: Sequence[ObjectInfo]) -> Iterator[Listed]:
    """Yield each object of a page of a job's listing with its item."""
    parsed = [(info, _parsed(info.key)) for info in page]
    columns = (ItemRow.id, ItemRow.number, ItemRow.state, ItemRow.source_bytes)
    query = select(*columns, *(getattr(ItemRow, name) for name in NAMED_BY.values()))
    of_page = (ItemRow.job_id == job_id) & ItemRow.id.in_({key.item for _, key in parsed if key is not None})
    items = {row.id: dict(row._mapping) for row in connection.execute(query.where(of_page))}
    given = _corrections(connection, [info.key for info, key in parsed if key and key.kind is KeyKind.CORRECTION])
    for info, key in parsed:
        item = None if key is None else items.get(key.item or "")
        yield Listed(info, None if key is None else key.kind, item, is_correction=info.key in given)


def _corrections(connection: Connection, stored: Sequence[str]) -> set[str]:
    """Return those of these keys that some step of a review gave."""
    if not stored:
        return set()
    own = {keys.parse(key).item for key in stored}
    query = select(ReviewStepRow.correction_key).where(ReviewStepRow.item_id.in_(own))
    return {str(key) for key in connection.execute(query.where(ReviewStepRow.correction_key.in_(stored))).scalars()}


def _parsed(key: str) -> keys.ParsedKey | None:
    try:
        return keys.parse(key)
    except UsageError:
        return None
