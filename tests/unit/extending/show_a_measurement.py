"""Ends an item with a value of the measurement that is named, and prints where it can be seen."""

import csv
import io
import json
import sys
import tempfile
import uuid
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from flask.testing import FlaskClient
from sqlalchemy import update

from admin.domain import accounts, sessions, tokens
from admin.domain.roles import Role
from admin.serving.app import create_app
from shared.config import Settings, load_settings
from shared.db.measurements import MEASUREMENTS
from shared.db.migrate import migrate
from shared.db.tables.base import new_id
from shared.db.tables.jobs import ItemRow
from shared.images.codec import encode_grey, encode_mask, encode_probability
from shared.images.probabilities import histogram
from shared.jobs.records import NewItem, Success
from shared.jobs.state import JobKind
from shared.services import Services, connect
from shared.store import keys
from shared.upkeep.audit import Audit
from worker.measuring import measure

SECRET = "of thirty-two characters or more."
PIXELS = np.zeros((20, 30), np.uint8)


def main(name: str, value: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        settings = _settings(Path(folder))
        services = connect(settings)
        migrate(services.database)
        job, item = _ended_item(services, {name: value})
        app = create_app(settings, services)
        visitor, token = app.test_client(), _account(services)
        api = {"Authorization": f"Bearer {token}"}
        _log_in(visitor, services)
        shown = {
            "results": _results(visitor.get(f"/api/v1/jobs/{job}/results.zip", headers=api).data),
            "item": visitor.get(f"/api/v1/items/{item}", headers=api).json,
            "items": visitor.get(f"/api/v1/jobs/{job}/items", headers=api).json["items"],
            "schema": visitor.get("/api/v1/openapi.json").json["components"]["schemas"]["Item"]["properties"][name],
            "page": visitor.get(f"/items/{item}").text,
            "gallery": visitor.get(f"/jobs/{job}/items").text,
            "audit": _audit(services),
            "worker": _worker_that_does_not_compute_it(),
        }
        with services.database.write() as connection:
            connection.execute(update(ItemRow).values({name: None}))
        shown["audit without it"] = _audit(services)
        services.close()
        return shown


def _settings(folder: Path) -> Settings:
    return load_settings(
        delineate_home=folder,
        database_url=f"sqlite:///{folder / 'toy.sqlite3'}",
        broker_url="redis://127.0.0.1:1/0",
        store_url=f"memory://{uuid.uuid4()}",
        secret_key=SECRET,
        admin_port=0,
    )


def _ended_item(services: Services, measured: dict[str, float]) -> tuple[str, str]:
    job, item = services.repository.create_job(JobKind.IMAGES, name="toy", submitted_by="ana"), new_id()
    source, mask, probability = keys.source(job, item, ".png"), keys.mask(job, item), keys.probability(job, item)
    services.store.put(source, encode_grey(PIXELS))
    services.store.put(mask, encode_mask(PIXELS > 0))
    services.store.put(probability, encode_probability(PIXELS))
    shard = services.repository.add_shard(job, [NewItem(item, "a.png", source_key=source)])
    services.repository.seal(job)
    claim = services.claims.claim(shard, worker="w")
    result = Success(
        item, 30, 20, mask, probability, model="a" * 64, threshold=0.5, preprocessing="p", code_version="0",
        seconds=0.5, **dict.fromkeys(MEASUREMENTS, 0.75) | measured,
    )  # fmt: skip
    services.claims.complete(claim, [result])
    services.repository.close_if_finished(job)
    return job, item


def _account(services: Services) -> str:
    accounts.set_password(services.database, "ana", "a password of many words")
    return tokens.create(services.database, "ana", "script", Role.VIEWER)


def _log_in(visitor: FlaskClient, services: Services) -> None:
    with visitor.session_transaction() as session:
        session["_user_id"] = sessions.begin(services.database, "ana")


def _results(data: bytes) -> list[dict[str, str]]:
    with zipfile.ZipFile(io.BytesIO(data)) as results:
        return list(csv.DictReader(io.StringIO(results.read("results.csv").decode(), newline="")))


def _audit(services: Services) -> list[str]:
    return [finding.detail for finding in Audit(services.database, services.store).findings()]


def _worker_that_does_not_compute_it() -> str:
    try:
        return str(measure(histogram(PIXELS), 0.5))
    except TypeError as error:
        return str(error)


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], float(sys.argv[2]))))
