"""What is measured of each object of an item's mask, while somebody waits for it."""

from flask import abort

from admin.web.context import services, who, whole_pictures
from shared.errors import ImageError, ObjectMissing, UsageError
from shared.flows.exports.objects import measured_rows
from shared.jobs.records import Item
from shared.objects.table import Value

MAX_PIXELS = 4096**2
"""Of the largest mask whose objects are measured."""
TOO_LARGE = "the mask is too large for a table of its objects here: take the export objects-csv"


def can_be_measured(item: Item) -> bool:
    """Whether the item has a result, and its mask is not too large."""
    return item.mask_key is not None and item.probability_key is not None and not _is_too_large(item)


def measured_objects(item: Item) -> list[dict[str, Value]]:
    """Return a row for each object by its number, as `shared.objects.table` has them.

    Raises:
        UsageError: the mask is too large, too ragged, or damaged.
        Busy: as many masks are in work as may be at once.
    """
    if item.mask_key is None or item.probability_key is None:
        abort(404)
    if _is_too_large(item):
        raise UsageError(TOO_LARGE)
    with whole_pictures().inside(who()):
        try:
            stored = services().store.get(item.mask_key), services().store.get(item.probability_key)
            return list(measured_rows(item, *stored))
        except ObjectMissing:
            abort(404)
        except ImageError as error:
            raise UsageError("the stored mask or its map is damaged: `admin audit` tells more") from error


def _is_too_large(item: Item) -> bool:
    return (item.width or 0) * (item.height or 0) > MAX_PIXELS
