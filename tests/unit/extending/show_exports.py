"""Prints where an export arrives: in the command line, a folder, the API's document, the job's page and a zip."""

import io
import json
import os
import sys
import zipfile
from contextlib import closing
from pathlib import Path

import numpy as np
from click.testing import CliRunner

from admin.domain import accounts, sessions
from admin.serving.app import create_app
from producer.cli import main
from shared.config import load_settings
from shared.db.migrate import migrate
from shared.db.tables.base import new_id
from shared.flows.exports.manifest import MANIFEST
from shared.flows.exports.marker import MARKER
from shared.images.codec import encode_mask, encode_probability
from shared.jobs.records import NewItem, Success
from shared.jobs.state import JobKind
from shared.services import Services, connect
from shared.store import keys

home, format_name = Path(sys.argv[1]), sys.argv[2]
os.environ |= {
    "DELINEATE_HOME": str(home),
    "DATABASE_URL": f"sqlite:///{home}/db.sqlite3",
    "BROKER_URL": "redis://127.0.0.1:1/0",  # nobody is asked
    "STORE_URL": f"file://{home}/store",
    "SECRET_KEY": "of thirty-two characters or more.",
}


def finished_job(services: Services) -> str:
    """A job of one image, whose left half is set."""
    repository = services.repository
    job_id = repository.create_job(JobKind.IMAGES, name="n", submitted_by="t")
    item_id = new_id()
    shard_id = repository.add_shard(
        job_id, [NewItem(id=item_id, path="a.jpg", source_key=keys.source(job_id, item_id))]
    )
    repository.seal(job_id)
    mask = np.arange(20)[None, :].repeat(10, axis=0) < 10
    services.store.put(keys.mask(job_id, item_id), encode_mask(mask))
    services.store.put(keys.probability(job_id, item_id), encode_probability(mask * np.uint8(255)))
    claim = services.claims.claim(shard_id, worker="w")
    success = Success(
        item_id=item_id, width=20, height=10, mask_key=keys.mask(job_id, item_id),
        probability_key=keys.probability(job_id, item_id), foreground=0.5, confidence=0.9, trust=0.9, model="f" * 64,
        threshold=0.5, preprocessing="standardise-v1", code_version="0", seconds=0.1,
    )  # fmt: skip
    services.claims.complete(claim, [success])
    repository.close_if_finished(job_id)
    return job_id


def run(*arguments: str) -> str:
    done = CliRunner().invoke(main, arguments, terminal_width=1000)
    assert done.exit_code == 0, done.output
    return done.output


settings = load_settings()
with closing(connect(settings)) as services:
    migrate(services.database)
    services.store.prepare()
    job_id = finished_job(services)
    folder = home / "out"
    run("download", job_id, str(folder), "--format", format_name)
    accounts.set_password(services.database, "ana", "a password of many words")
    client = create_app(settings, services).test_client()
    with client.session_transaction() as session:
        session["_user_id"] = sessions.begin(services.database, "ana")
    answer = client.get(f"/jobs/{job_id}/results.zip?format={format_name}", buffered=True)
    archive = zipfile.ZipFile(io.BytesIO(answer.data))
    parameters = client.get("/api/v1/openapi.json").json["paths"]["/api/v1/jobs/{job_id}/results.zip"]["get"][
        "parameters"
    ]
    written = [path for path in folder.rglob("*") if path.is_file() and path.name not in (MARKER, MANIFEST)]
    print(json.dumps({
        "help": {name: run(name, "--help") for name in ("submit", "demo", "download", "export")},
        "folder": {path.relative_to(folder).as_posix(): path.read_text() for path in written},
        "zip": {name: archive.read(name).decode() for name in archive.namelist() if name != MANIFEST},
        "file_name": answer.headers["Content-Disposition"],
        "parameter": next(found for found in parameters if found["name"] == "format"),
        "page": client.get(f"/jobs/{job_id}").text,
        "job": job_id,
    }))  # fmt: skip
