import re

from shared.db.events import EventFilter, events
from shared.db.model_registry import ModelRegistry
from shared.db.tables.base import new_id
from shared.jobs import bulk_actions
from shared.jobs.state import JobStatus
from shared.services import Services
from shared.upkeep.bulk import BulkRunner
from tests import simulated_worker
from tests.unit.admin.conftest import Browser
from tests.unit.admin.made_jobs import mixed, synthetic

FORM = {"action": "cancel", "scope": "chosen", "priority": "normal", "code": ""}


def test_ticked_jobs_are_cancelled_and_the_action_is_followed(browser: Browser, services: Services) -> None:
    first, second, third = (synthetic(services, 1, done=False) for _ in range(3))
    answer = browser.submit("/bulk-actions", FORM | {"job": [first, second]})
    page = browser.get(answer.location)
    assert "<strong>waiting</strong>" in page.text
    part, version = re.findall(r"data-live=\"(\S+)\" .*data-live-version='(\S+)'", page.text)[0]
    assert browser.get(part, headers={"If-None-Match": version}).status_code == 304
    BulkRunner(services.repository).round()
    assert "<strong>2</strong> of 2 jobs" in browser.get(part).text
    assert "<strong>done</strong>" in browser.get(part).text
    assert "data-live" not in browser.get(part).text
    states = [services.repository.job(job).state for job in (first, second, third)]
    assert states == [JobStatus.CANCELLED, JobStatus.CANCELLED, JobStatus.QUEUED]
    assert "cancel" in browser.get("/bulk-actions").text
    assert browser.get(f"/bulk-actions/{new_id()}").status_code == 404


def test_all_that_fit_the_filter_are_meant(browser: Browser, services: Services) -> None:
    synthetic(services, 1, name="liver", done=False)
    other = synthetic(services, 1, name="kidney", done=False)
    page = browser.get("/jobs?q=liver").text
    assert '<input type="hidden" name="f-q" value="liver">' in page
    answer = browser.submit("/bulk-actions", FORM | {"scope": "all", "f-q": "liver"})
    BulkRunner(services.repository).round()
    assert "text liver" in browser.get(answer.location).text
    assert [job.state for job in services.repository.jobs(limit=9)] == [JobStatus.QUEUED, JobStatus.CANCELLED]
    assert services.repository.job(other).state is JobStatus.QUEUED
    browser.submit(f"{answer.location}/abort")
    assert "this bulk action has ended already" in browser.get(answer.location).text


def test_jobs_are_cloned_with_what_was_filled_in(browser: Browser, services: Services) -> None:
    registry = ModelRegistry(services.database, services.store)
    nuclei = registry.publish(b"nuclei", b"{}", name="nuclei", summary={}, by="ana").sha256
    job = synthetic(services, 2)
    assert f'<option value="{nuclei}">nuclei' in browser.get("/jobs").text
    asked = {"action": "clone", "clone-model": nuclei, "clone-threshold": "own", "clone-scale": " auto "}
    answer = browser.submit("/bulk-actions", FORM | asked | {"job": job})
    BulkRunner(services.repository).round()
    page = browser.get(answer.location).text
    assert f"the model {nuclei[:12]}, the model’s own threshold, scale auto" in page
    clone = services.repository.jobs(limit=1)[0]
    assert (clone.inputs_of, clone.model, clone.threshold, clone.scale) == (job, nuclei, None, 0.0)
    browser.submit("/bulk-actions", FORM | {"action": "clone", "clone-model": "active", "job": job})
    BulkRunner(services.repository).round()
    assert services.repository.jobs(limit=1)[0].model is None


def test_what_cannot_be_done_is_said_and_the_filter_stays(browser: Browser, services: Services) -> None:
    job = synthetic(services, 1, done=False)
    for wrong, said in (
        ({}, "Choose at least one job"),
        ({"action": "explode", "job": job}, "Choose an action: retry"),
        ({"action": "retry", "code": "bad luck", "job": job}, "There is no code"),
        ({"action": "priority", "priority": "urgent", "job": job}, "Give one of low, normal, high"),
        ({"action": "clone", "clone-scale": "9", "job": job}, "Scale is"),
        ({"action": "clone", "clone-threshold": "many", "job": job}, "Threshold is"),
        ({"action": "clone", "clone-model": "no such", "job": job}, "There is no"),
        ({"job": "x"}, "One of the ids is none of a job"),
        ({"scope": "all", "f-state": "done"}, "State: choose one of"),
    ):
        answer = browser.submit("/bulk-actions", FORM | {"f-q": "liver"} | wrong)
        assert answer.location.startswith("/jobs?q=liver")
        assert said in browser.get(answer.location).text, wrong
    assert bulk_actions.bulk_actions(services.database, limit=9) == []


def test_a_cause_has_a_button_of_its_own(browser: Browser, services: Services) -> None:
    job = mixed(services)
    page = browser.get(f"/jobs/{job}").text
    assert 'name="code" value="not_an_image"' in page
    browser.submit(f"/jobs/{job}/retry", {"code": "not_an_image"})
    assert "What had failed with not_an_image is tried again." in browser.get(f"/jobs/{job}").text
    found = services.repository.job(job).counts
    assert (found.pending, found.failed, found.succeeded) == (1, 2, 1)
    assert events(services.database, EventFilter(job_id=job), limit=1)[0].detail == "failed with not_an_image"
    simulated_worker.process(services, job)
    browser.submit(f"/jobs/{job}/retry", {"code": "bad luck"})
    assert "There is no code" in browser.get(f"/jobs/{job}").text
