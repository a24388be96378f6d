"""What only reading finds out about a result's objects: that they do not decode, or have another size."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from shared.errors import ImageError, ObjectMissing
from shared.images.codec import decode_mask, decode_probability
from shared.store import ObjectStore

_DECODE: Mapping[str, Callable[[bytes], Any]] = {
    "mask_key": decode_mask,
    "probability_key": decode_probability,
    "truth_key": decode_mask,
}


def damage(row: Mapping[str, Any], store: ObjectStore) -> Iterator[tuple[str, str]]:
    """Yield the key of each damaged object of a succeeded item, and what is wrong with it.

    `row` holds the item's columns. An object that is not there is no concern of this function.
    """
    expected = (row["height"], row["width"])
    columns = dict(_DECODE)
    if row["synthesis"] is not None:
        columns["source_key"] = decode_probability  # likewise a PNG of 8 bits
    for column, decode in columns.items():
        key = row[column]
        if key is None:
            continue
        try:
            shape = decode(store.get(key)).shape
        except ObjectMissing:
            continue
        except ImageError as error:
            yield key, f"{key} cannot be read: {error}"
            continue
        if shape != expected:
            yield key, f"{key} has {shape[1]}×{shape[0]} pixels, its item {expected[1]}×{expected[0]}"
