"""Whatever can be asked of a job reaches it by every way in: an option that one of them forgets fails here."""

import hashlib
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from admin.api.requests.interactive import Predict
from admin.api.requests.jobs import Upload
from admin.api.requests.submissions import Batch, NewSubmission
from delineate_client import ApiError, Client
from producer.cli import main
from producer.remote.repository import RemoteRepository
from producer.remote.store import RemoteStore
from shared.db.model_registry import ModelRegistry
from shared.flows.submission import submit_images
from shared.flows.synthetic import SyntheticSpec, submit_synthetic
from shared.images.scale import AUTO_SCALE
from shared.jobs.records import Job, Priority, Unfamiliar
from shared.jobs.repository import Repository
from shared.jobs.state import JobKind
from shared.pixel_size import PixelSize
from shared.services import Services
from tests import simulated_worker
from tests.unit.admin.api.conftest import Producer

PROCESSING = "smooth=2 fill-holes min-area=9 keep-largest"
# A third of something, which no short text has.
SIZE = PixelSize(0.65 / 3, 0.6)

# A published model by its digits; command line and client say its name.
NUCLEI = hashlib.sha256(b"nuclei").hexdigest()

# Of each option of `Repository.create_job` something that it is not by itself.
SAID: dict[str, Any] = {
    "name": "said",
    "priority": Priority.HIGH,
    "scale": 0.5,
    "unfamiliar": Unfamiliar.REFUSE,
    "channel": "red",
    "pixel_size": SIZE,
    "postprocessing": PROCESSING,
    "model": NUCLEI,
    "threshold": 0.25,
}
WHO_AND_HOW = {"self", "services", "kind", "submitted_by", "submission_key", "sources", "resume", "bulk_id"}

ON_THE_COMMAND_LINE = {
    "name": ["--name", "said"],
    "priority": ["--priority", "high"],
    "scale": ["--scale", "0.5"],
    "unfamiliar": ["--unfamiliar", "refuse"],
    "channel": ["--channel", "red"],
    "pixel_size": ["--pixel-size", f"{SIZE.x!r}x{SIZE.y!r}um"],
    "smooth": ["--smooth", "2"],
    "fill_holes": ["--fill-holes"],
    "min_area": ["--min-area", "9"],
    "keep_largest": ["--keep-largest"],
    "model": ["--model", "nuclei"],
    "threshold": ["--threshold", "0.25"],
    "pages": ["--pages", "2-3"],
    "manifest": ["--manifest", "table.csv"],
}
# The masks of a truth lie beside the images, and are not sent through the API; tables of points are drawn before it.
NOT_OF_THE_JOB = {
    "paths", "recursive", "follow_links", "exclude", "resume", "wait", "folder", "export", "as_json",
    "truth", "foreground", "are_points", "point_pixel", "point_columns", "point_unit", "dot_spacing",
}  # fmt: skip

IN_PYTHON: dict[str, Any] = {
    "name": "said",
    "priority": "high",
    "scale": 0.5,
    "unfamiliar": "refuse",
    "channel": "red",
    "pixel_size": SIZE.exact,
    "smooth": 2,
    "fill_holes": True,
    "min_area": 9,
    "keep_largest": True,
    "model": "nuclei",
    "threshold": 0.25,
    "pages": "2-3",
    "described": {"stack.tif": {"plate": "7"}},
}


def parameters(function: Callable[..., Any]) -> set[str]:
    return {name for name in inspect.signature(function).parameters if not name.startswith("on_")}


def asked_of(job: Job) -> dict[str, Any]:
    return {name: getattr(job, name) for name in SAID}


@pytest.fixture(autouse=True)
def published(services: Services) -> None:
    registry = ModelRegistry(services.database, services.store)
    registry.publish(b"nuclei", b"{}", name="nuclei", summary={}, by="ana")


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    folder = tmp_path / "stacks"
    folder.mkdir()
    tifffile.imwrite(folder / "stack.tif", np.zeros((3, 20, 20), np.uint8), photometric="minisblack")
    (folder / "table.csv").write_text("path,plate\nstack.tif,7\n")
    return folder


def check(services: Services) -> None:
    [job] = services.repository.jobs(limit=9)
    assert asked_of(job) == SAID
    items = services.repository.items(job.id, limit=9)
    assert [item.path for item in items] == ["stack.tif#0002", "stack.tif#0003"]
    assert all(item.described == {"plate": "7"} for item in items)
    assert all(item.error is None for item in items)


def test_a_job_that_the_api_makes_is_the_one_that_was_asked_for(client: Client, services: Services) -> None:
    assert parameters(Repository.create_job) - WHO_AND_HOW == set(SAID)
    assert parameters(submit_images) - WHO_AND_HOW == set(SAID)
    remote = RemoteRepository(client.connection, RemoteStore(client.connection), services.database)
    for said in (SAID, {**SAID, "scale": AUTO_SCALE, "channel": "3"}, {"name": "plain"}):
        made = {
            "local": services.repository.create_job(JobKind.IMAGES, submitted_by="ana", **said),
            "remote": remote.create_job(JobKind.IMAGES, submitted_by="ana", **said),
        }
        jobs = {way: asked_of(services.repository.job(job_id)) for way, job_id in made.items()}
        assert jobs["remote"] == jobs["local"]
        # And as `producer --api` reads it back, which finds an interrupted submission again.
        assert asked_of(remote.job(made["local"])) == jobs["local"]


def test_what_was_scored_is_told_through_the_api_as_well(client: Client, services: Services) -> None:
    remote = RemoteRepository(client.connection, RemoteStore(client.connection), services.database)
    job = submit_synthetic(services, SyntheticSpec(3), name="scored", submitted_by="ana")
    assert remote.score_sums(job) is services.repository.score_sums(job) is None
    simulated_worker.process(services, job)
    sums = services.repository.score_sums(job)
    assert sums is not None
    assert sums.images == 3
    assert remote.score_sums(job) == pytest.approx(sums)


def test_the_command_line_says_all_of_its_options_through_the_api(
    producer: Producer, services: Services, stack: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert {option.name for option in main.commands["submit"].params} == ON_THE_COMMAND_LINE.keys() | NOT_OF_THE_JOB
    monkeypatch.chdir(stack)
    done = producer("submit", *(word for words in ON_THE_COMMAND_LINE.values() for word in words))
    assert done.exit_code == 0, done.output
    check(services)


def test_the_python_client_says_all_that_the_api_takes(client: Client, services: Services, stack: Path) -> None:
    taken = NewSubmission.model_fields.keys() | Upload.model_fields.keys()
    assert parameters(Client.submit) - {"self", "images", "recursive"} == taken | {"described"}
    assert IN_PYTHON.keys() == (taken | {"described"}) - {"key"}
    assert Batch.model_fields.keys() <= taken | {"details", "replace"}
    assert parameters(Client.predict) - {"self", "image"} == Predict.model_fields.keys()
    client.submit([stack / "stack.tif"], **IN_PYTHON)
    check(services)


def test_a_model_that_is_not_there_is_one_line_by_every_way_in(
    client: Client, producer: Producer, services: Services, stack: Path
) -> None:
    there = f"there is no model 'coins'; there is nuclei ({NUCLEI[:12]})"
    for command in (("submit", str(stack)), ("demo", "--count", "1"), ("segment", str(stack / "stack.tif"), "-")):
        done = producer(*command, "--model", "coins")
        assert done.exit_code == 2, done.output
        assert there in done.stderr
        assert done.stderr.count("\n") == 1
    for ask in (client.submit, client.predict):
        with pytest.raises(ApiError, match=re.escape(there)):
            ask({"a.png": np.zeros((20, 20), np.uint8)} if ask == client.submit else np.zeros((20, 20)), model="coins")
    with pytest.raises(ApiError, match=re.escape(there)):
        client.synthesise(1, model="coins")
    assert services.repository.jobs(limit=9) == []


def test_a_demo_gets_its_model_through_the_api(producer: Producer, services: Services) -> None:
    assert producer("demo", "--count", "1", "--model", NUCLEI[:6], "--threshold", "0.25").exit_code == 0
    [job] = services.repository.jobs(limit=9)
    assert (job.model, job.model_name, job.threshold) == (NUCLEI, "nuclei", 0.25)


def test_pages_of_a_batch_are_known_when_it_comes_again(client: Client, services: Services, stack: Path) -> None:
    job = client.connection.json("POST", "jobs", json={})["id"]
    data = (stack / "stack.tif").read_bytes()

    def add() -> dict[str, int]:
        files = [("images", ("stack.tif", data)), ("pages", (None, "all"))]
        return client.connection.json("POST", f"jobs/{job}/images", files=files)

    assert add() == {"added": 3, "known": 0, "replaced": 0, "failed": 0}
    assert add() == {"added": 0, "known": 3, "replaced": 0, "failed": 0}
