"""Jobs and images as the API gives them, as the records that the commands work with."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from shared.db.model_registry import Model
from shared.images.scale import AUTO_SCALE, AUTO_WORD
from shared.jobs.records import Item, Job, Unfamiliar
from shared.jobs.state import ItemCounts, ItemStatus, JobKind, JobStatus
from shared.pixel_size import PixelSize
from shared.store import keys


def job_of(value: Mapping[str, Any]) -> Job:
    """Return a job of the API's JSON. What it does not tell exactly, such as when it was sealed, only is or is not."""
    created, finished = _seconds(value["created_at"]), _seconds(value["finished_at"])
    said = value.get("pixel_size")
    size = None if said is None else PixelSize.parse(said)
    given = _given(Job, value) | {
        "pixel_width_um": size and size.x,
        "pixel_height_um": size and size.y,
        "kind": JobKind(value["kind"]),
        "state": JobStatus(value["state"]),
        "unfamiliar": Unfamiliar(value["unfamiliar"]),
        "scale": AUTO_SCALE if value["scale"] == AUTO_WORD else value["scale"],
        "created_at": created,
        "started_at": _seconds(value["started_at"]),
        "finished_at": finished,
        "sealed_at": None if value["quiet_seconds"] is not None else created,
        "quiet_for": value["quiet_seconds"],
        "cancel_requested_at": created if value["cancel_requested"] else None,
        "abandoned_at": created if value["abandoned"] else None,
        "worked_seconds": value["seconds"],
        "counts": ItemCounts(**{field.name: value["counts"][field.name] for field in fields(ItemCounts)}),
    }
    return Job(**given)


def item_of(value: Mapping[str, Any]) -> Item:
    """Return an image of the API's JSON; its files by the keys that they have in the object store."""
    ids, suffix = (value["job_id"], value["id"]), PurePosixPath(value["path"]).suffix
    its_keys = {
        "source": keys.source(*ids, suffix),
        "mask": keys.mask(*ids),
        "probability": keys.probability(*ids),
        "truth": keys.truth(*ids),
    }
    there = {f"{name}_key": key if name in value["files"] else None for name, key in its_keys.items()}
    given = _given(Item, value) | there
    return Item(**given | {"state": ItemStatus(value["state"]), "finished_at": _seconds(value["finished_at"])})


def registered_model(value: Mapping[str, Any]) -> Model:
    """Return a published model of the API's JSON, which tells nothing of its scores."""
    told = {name: value[name] for name in ("sha256", "name", "size", "published_by")}
    return Model(**told, summary={}, published_at=datetime.fromisoformat(value["published_at"]).timestamp())


def _given(record: type[Job] | type[Item], value: Mapping[str, Any]) -> dict[str, Any]:
    """What the JSON has of a record's fields under their own names; of others what stands for nothing."""
    known = fields(record)
    missing = {field.name: None for field in known if field.default is MISSING and field.default_factory is MISSING}
    return missing | {field.name: value[field.name] for field in known if field.name in value}


def _seconds(text: str | None) -> float | None:
    return None if text is None else datetime.fromisoformat(text).timestamp()
