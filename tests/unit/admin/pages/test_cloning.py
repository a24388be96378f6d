"""A job over the inputs of another, begun on its page."""

import pytest

from shared.db.database import Database
from shared.db.model_registry import ModelRegistry
from shared.errors import ItemError, ItemErrorCode
from shared.flows.submission import Source, submit_images
from shared.images.codec import encode_grey, encode_mask
from shared.jobs import clones
from shared.jobs.state import JobKind, JobStatus
from shared.services import Services
from shared.synth import synthesise
from shared.upkeep.audit import audit
from tests import simulated_worker
from tests.unit.admin.conftest import NOTHING, Browser
from tests.unit.admin.made_jobs import mixed, synthetic


def clone(browser: Browser, job_id: str, **fields: str) -> str:
    """Send the form; return the id of the clone."""
    answer = browser.submit(f"/jobs/{job_id}/clone", fields)
    assert answer.status_code == 302, answer.text
    return answer.location.rpartition("/")[2]


def test_the_form_has_what_the_job_has_and_the_clone_what_was_changed(browser: Browser, services: Services) -> None:
    registry = ModelRegistry(services.database, services.store)
    nuclei = registry.publish(b"nuclei", b"{}", name="nuclei", summary={}, by="ana").sha256
    first = mixed(services)
    page = browser.get(f"/jobs/{first}").text
    assert f'href="/jobs/{first}/clone"' in page
    form = browser.get(f"/jobs/{first}/clone").text
    assert "The 4 images of" in form
    assert "“mixed, again”" in form
    stored = set(services.store.list("jobs/"))
    job = services.repository.job(clone(browser, first, model=nuclei, threshold="0.25", scale="0.5"))
    assert (job.name, job.model, job.threshold, job.scale) == ("mixed, again", nuclei, 0.25, 0.5)
    assert (job.inputs_of, job.submitted_by, job.counts.total) == (first, "ana (web)", 4)
    assert set(services.store.list("jobs/")) == stored  # nothing is copied
    simulated_worker.process(services, job.id)
    items, before = (services.repository.items(each, limit=9) for each in (job.id, first))
    assert [(item.path, item.state, item.source_key, item.error_code) for item in items] == [
        (item.path, item.state, item.source_key, item.error_code) for item in before
    ]
    compared = browser.get(f"/compare?a={first}&b={job.id}").text
    assert '<th scope="row">Threshold</th><td>the model’s own</td><td>0.25</td>' in compared
    assert 'value="0.25"' in browser.get(f"/jobs/{job.id}/clone").text
    again = services.repository.job(clone(browser, job.id, model="", threshold="", scale=""))
    assert (again.model, again.threshold, again.scale, again.inputs_of) == (None, None, 1.0, first)
    assert f'href="/jobs/{first}"' in browser.get(f"/jobs/{again.id}").text
    assert audit(services.database, services.store, grace=-1.0, deep=True).is_clean


def test_a_file_that_could_not_be_read_fails_in_the_clone_too(browser: Browser, services: Services) -> None:
    image = encode_grey(synthesise(1, size=64).image)

    def unreadable() -> bytes:
        raise ItemError(ItemErrorCode.UNREADABLE, "may not be opened")

    sources = [Source("a.png", lambda: image), Source("b.png", unreadable)]
    first = submit_images(services, sources, name="x", submitted_by="ana")
    job = services.repository.job(clone(browser, first))
    assert (job.counts.pending, job.counts.failed) == (1, 1)
    assert services.repository.items(job.id, limit=2)[1].error == "may not be opened"


def test_a_truth_is_shared_too(browser: Browser, services: Services) -> None:
    sample = synthesise(1, size=64)
    image, truth = encode_grey(sample.image), encode_mask(sample.mask)
    first = submit_images(services, [Source("a.png", lambda: image, truth=lambda: truth)], name="x", submitted_by="ana")
    job_id = clone(browser, first)
    simulated_worker.process(services, job_id)
    [item] = services.repository.items(job_id, limit=2)
    assert item.truth_key == services.repository.items(first, limit=2)[0].truth_key
    assert audit(services.database, services.store, grace=-1.0).is_clean


def test_synthetic_images_are_made_anew(browser: Browser, services: Services) -> None:
    first = synthetic(services, 2)
    job_id = clone(browser, first)
    simulated_worker.process(services, job_id)
    job = services.repository.job(job_id)
    assert (job.kind, job.state) == (JobKind.SYNTHETIC, JobStatus.SUCCEEDED)
    sources = [
        [services.store.get(str(item.source_key)) for item in services.repository.items(each, limit=9)]
        for each in (first, job_id)
    ]
    assert sources[0] == sources[1]
    assert audit(services.database, services.store, grace=-1.0).is_clean


def test_the_form_sent_twice_makes_one_clone(browser: Browser, services: Services) -> None:
    first = synthetic(services, 1)
    assert clone(browser, first, request_key="k") == clone(browser, first, request_key="k")
    assert len(services.repository.jobs(limit=9)) == 2


def test_what_cannot_be_cloned_says_why_and_keeps_what_was_typed(
    browser: Browser, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = synthetic(services, 2)
    monkeypatch.setattr(clones, "MAX_IMAGES", 1)
    open_one = services.repository.create_job(JobKind.IMAGES, name="open", submitted_by="ana")
    assert "clone" not in browser.get(f"/jobs/{open_one}").text
    for job_id, words in ((job, "The job has 2 images: a clone may have 1 to 1;"), (open_one, "still takes images")):
        answer = browser.submit(f"/jobs/{job_id}/clone", {"name": "mine"})
        assert answer.status_code == 400
        assert words in answer.text
        assert 'value="mine"' in answer.text
    for field, value in (("scale", "9"), ("threshold", "1"), ("model", "0" * 64)):
        assert browser.submit(f"/jobs/{job}/clone", {field: value}).status_code == 400
    assert browser.submit(f"/jobs/{NOTHING}/clone").status_code == 404
    assert browser.get(f"/jobs/{NOTHING}/clone").status_code == 404
    assert len(services.repository.jobs(limit=9)) == 2


def test_a_job_that_goes_while_it_is_cloned_leaves_no_clone(
    browser: Browser, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = synthetic(services, 2)
    real = clones.hold_inputs

    def removed_just_before(database: Database, job_id: str, *, clone_id: str) -> None:
        with database.write() as connection:
            services.repository.mark_removed(connection, [job])
        real(database, job_id, clone_id=clone_id)

    monkeypatch.setattr(clones, "hold_inputs", removed_just_before)
    answer = browser.submit(f"/jobs/{job}/clone")
    assert answer.status_code == 400
    assert "were removed while it was cloned" in answer.text
    assert services.repository.jobs(limit=9) == []
