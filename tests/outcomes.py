"""Outcomes of a claim, as a worker would bring them."""

from dataclasses import MISSING, fields

from shared.db.measurements import MEASUREMENTS, REQUIRED, Measurement
from shared.errors import ItemErrorCode
from shared.jobs.records import Claim, Failure, Success

RESULT = tuple(field.name for field in fields(Success) if field.default is MISSING and field.name != "item_id")
"""The columns that a result fills, in any case."""


def success(item_id: str, **values: object) -> Success:
    """A result, with values that its measurements can have."""
    result: dict[str, object] = {
        "width": 640, "height": 480, "mask_key": f"mask/{item_id}", "probability_key": f"prob/{item_id}",
        "model": "a" * 64, "threshold": 0.5, "preprocessing": "standardise-v1", "code_version": "0", "seconds": 0.5,
    }  # fmt: skip
    measured = {name: _possible(measurement) for name, measurement in MEASUREMENTS.items() if name in REQUIRED}
    return Success(item_id=item_id, **(result | measured | values))  # type: ignore[arg-type]


def _possible(measurement: Measurement) -> float:
    lowest = measurement.minimum if measurement.minimum is not None else 0.0
    highest = measurement.maximum if measurement.maximum is not None else lowest + 1
    return lowest + 0.75 * (highest - lowest)


def failure(item_id: str, code: ItemErrorCode = ItemErrorCode.TRUNCATED) -> Failure:
    return Failure(item_id=item_id, code=code, reason="the file ends early", seconds=0.1)


def all_succeed(claim: Claim) -> list[Success]:
    return [success(item.id) for item in claim.items]
