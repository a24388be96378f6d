"""A look at images before they are submitted: what a worker would say of them, and what to do first."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner
from sqlalchemy import update

from producer.check import STEPS, expected_time
from producer.cli import main
from producer.preflight import Preflight
from producer.sample import sampled, spread
from shared.config import load_settings
from shared.db.reasons import Reason
from shared.db.tables.jobs import ItemRow
from shared.errors import ItemErrorCode
from shared.flows.sources import Source
from shared.flows.submission import submit_images
from shared.images.codec import encode_grey
from shared.images.decoded import DecodeLimits
from shared.jobs.records import Priority
from shared.jobs.state import JobStatus
from shared.services import Services, connect
from tests import simulated_worker
from tests.prepared_tables import make_tables

PICTURE = np.where(np.indices((40, 50)).sum(axis=0) % 7 < 3, np.uint8(250), np.uint8(5))
# What a worker says of an image's job or its own state; nothing to be seen in a file.
_LATER = list(ItemErrorCode)[list(ItemErrorCode).index(ItemErrorCode.MODEL_UNAVAILABLE) :]


@pytest.fixture
def folder(own_home: Path) -> Path:
    folder = own_home / "images"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        (folder / name).write_bytes(encode_grey(PICTURE))
    tifffile.imwrite(folder / "s.tif", np.stack([PICTURE, 255 - PICTURE]).astype(np.uint16), photometric="minisblack")
    (folder / "tiny.png").write_bytes(encode_grey(PICTURE[:8, :8].copy()))
    (folder / "cut.png").write_bytes(encode_grey(PICTURE)[:-40])
    (folder / "empty.tif").touch()
    (folder / "notes.txt").write_text("none")
    return folder


def test_a_folder_is_looked_at_and_nothing_is_sent(folder: Path) -> None:
    done = CliRunner().invoke(main, ["check", str(folder), "--json"])
    assert done.exit_code == 1, done.output
    found = json.loads(done.stdout)
    assert (found["images"], found["usable"], found["copies"], found["seconds"]) == (6, 3, 1, None)
    assert found["notes"] == {"pages": 1}
    kinds = {(kind["format"], kind["channels"], kind["bits"]): kind["images"] for kind in found["kinds"]}
    assert kinds == {("PNG", "grey", 8): 2, ("TIFF", "grey", 16): 1}
    assert found["sizes"] == [{"width": 50, "height": 40, "images": 3}]
    problems = {problem["code"]: problem["examples"][0]["path"] for problem in found["problems"]}
    assert problems == {"empty_file": "empty.tif", "too_small": "tiny.png", "truncated": "cut.png"}
    assert found["bytes"] == sum(file.stat().st_size for file in folder.iterdir() if file.suffix != ".txt")
    assert not (folder.parent / "objects").exists()

    said = CliRunner().invoke(main, ["check", str(folder), "--pages", "all", "--exclude", "cut*", "--exclude", "e*"])
    text = " ".join(said.output.split())
    assert "too_small: --exclude them, or submit the pictures that they are thumbnails of" in text
    assert "copies: 1 image with the very bytes of another, b.png = a.png" in text
    assert "4 images can be segmented, 1 would fail" in text
    assert "time: not known, for no stack answers" in text

    clean = CliRunner().invoke(main, ["check", str(folder / "a.png")])
    assert clean.exit_code == 0
    assert CliRunner().invoke(main, ["check"]).exit_code == 2


def test_a_large_image_is_looked_at_too() -> None:
    sources = [
        Source("large.png", lambda: encode_grey(np.tile(PICTURE, (60, 50)))),
        Source("beyond.png", lambda: encode_grey(np.tile(PICTURE, (2, 90)))),
    ]
    found = Preflight(DecodeLimits(16, 4000), seconds=30.0, channel="auto").run(sources)
    assert dict(found.shapes) == {(2500, 2400): 1}
    assert found.problems[ItemErrorCode.TOO_LARGE].examples[0][0] == "beyond.png"


def test_time_is_told_by_the_newest_rate_and_what_waits(folder: Path) -> None:
    services = connect(load_settings())
    make_tables(services.database)
    services.store.prepare()
    sources = [Source(f"{number}.png", lambda: encode_grey(PICTURE)) for number in range(4)]
    assert expected_time(services, 10) == ("time: not known until a first job has run here", None)
    done = submit_images(services, sources, name="done", submitted_by="me")
    simulated_worker.process(services, done)
    rate = 4 / services.repository.worked_seconds(services.repository.job(done))
    submit_images(services, sources[:3], name="waits", submitted_by="me")
    words, seconds = expected_time(services, 10)
    assert seconds == pytest.approx(13 / rate, rel=0.01)
    assert f"the rate of job {done}, after 3 images that wait already" in words
    services.close()


def test_a_sample_goes_through_the_real_path(own_services: Services) -> None:
    services = own_services
    sources = [Source(f"{number}.png", lambda: encode_grey(PICTURE)) for number in range(20)]
    some = list(spread(sources, 20, 4))
    assert [source.path for source in some] == ["0.png", "5.png", "10.png", "15.png"]
    assert list(spread(sources, 20, 50)) == sources

    def work(_seconds: float) -> None:
        [job] = services.repository.jobs(limit=1)
        simulated_worker.process(services, job.id)
        unfamiliar = (ItemRow.job_id == job.id) & ItemRow.path.in_(["5.png", "10.png"])
        with services.database.write() as connection:
            connection.execute(update(ItemRow).where(unfamiliar).values(familiarity=0.001, reason="dots_too_close"))

    found = sampled(services, some, name="sample of d", channel="auto", sleep=work)
    [job] = services.repository.jobs(limit=1)
    assert (job.name, job.priority, job.counts.total) == ("sample of d", Priority.HIGH, 4)
    assert found.lines() == [
        f"sample: 2 of 4 images would be flagged as unfamiliar (job {job.id}), such as 5.png, 10.png",
        f"dots_too_close: 2 of them. {Reason.TOO_FINE.sentence}",
    ]
    assert found.json()["reasons"] == [{"reason": "dots_too_close", "images": 2, "step": Reason.TOO_FINE.sentence}]


def test_a_sample_that_nobody_works_on_is_cancelled_and_said(own_services: Services) -> None:
    source = Source("a.png", lambda: encode_grey(PICTURE))
    found = sampled(own_services, [source], name="n", channel="auto", seconds=0.01)
    assert "sample: not known, not done within 0.01 s, and cancelled: no worker is running" in found.lines()[0]
    assert own_services.repository.jobs(limit=1)[0].state is JobStatus.CANCELLED


def test_a_sample_without_a_stack_is_one_line(folder: Path) -> None:
    done = CliRunner().invoke(main, ["check", str(folder / "a.png"), "--sample", "3"])
    assert done.exit_code == 0, done.output
    assert "sample: not known, for no stack answers" in " ".join(done.output.split())
    assert "sample: --sample 8 segments" in CliRunner().invoke(main, ["check", str(folder / "a.png")]).output


def test_every_failure_of_a_file_has_a_next_step() -> None:
    assert set(STEPS) == set(ItemErrorCode) - set(_LATER)
    assert all("\n" not in step for step in STEPS.values())
