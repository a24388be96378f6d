"""Outcomes of a claim, as a worker would bring them."""

from shared.errors import ItemErrorCode
from shared.jobs.records import Claim, Failure, Success


def success(item_id: str, **values: object) -> Success:
    result: dict[str, object] = {
        "width": 640, "height": 480, "mask_key": f"mask/{item_id}", "probability_key": f"prob/{item_id}",
        "foreground": 0.25, "confidence": 0.9, "trust": 0.8, "model": "a" * 64, "threshold": 0.5,
        "preprocessing": "standardise-v1", "code_version": "0", "seconds": 0.5,
    }  # fmt: skip
    return Success(item_id=item_id, **(result | values))  # type: ignore[arg-type]


def failure(item_id: str, code: ItemErrorCode = ItemErrorCode.TRUNCATED) -> Failure:
    return Failure(item_id=item_id, code=code, reason="the file ends early", seconds=0.1)


def all_succeed(claim: Claim) -> list[Success]:
    return [success(item.id) for item in claim.items]
