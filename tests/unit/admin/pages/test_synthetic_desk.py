"""The desk around synthetic jobs: the preview, one image tried, and the last runs with their scores."""

import io
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from PIL import Image

from admin.domain.synthetic_runs import last_runs
from admin.pages import submit
from admin.serving.lanes import lane_of
from shared.images.codec import decode
from shared.images.decoded import DecodeLimits
from shared.images.heatmap import CONTOUR_COLOUR, contour
from shared.jobs.records import Priority
from shared.services import Services
from shared.synth import synthesise
from tests import simulated_worker
from tests.unit.admin.conftest import Browser
from tests.unit.admin.made_jobs import synthetic

VALID = {"count": "5", "seed": "3", "severity_from": "0", "severity_to": "0.75", "noise": "speckle", "num_dots": "30"}
LIMITS = DecodeLimits(min_side=16, max_side=4096)
PREVIEW = "/new/synthetic/preview.png"


def preview(browser: Browser, **values: str) -> np.ndarray:
    answer = browser.client.get(PREVIEW, query_string=VALID | values)
    assert answer.status_code == 200
    return np.asarray(Image.open(io.BytesIO(answer.data)).convert("RGB"))


@pytest.mark.parametrize(("image", "number"), [("first", 0), ("last", 4)])
def test_the_preview_is_the_image_that_the_worker_makes(
    browser: Browser, services: Services, image: str, number: int
) -> None:
    browser.submit("/new/synthetic", VALID)
    job = services.repository.jobs(limit=1)[0].id
    simulated_worker.process(services, job)
    item = services.repository.items(job, limit=9)[number]
    made = decode(services.store.get(item.source_key or ""), limits=LIMITS).pixels
    shown = preview(browser, image=image)
    assert (shown == np.minimum(made, 254)[..., None]).all()
    line = contour(synthesise(**item.synthesis or {}).mask)
    assert (preview(browser, image=image, truth="1")[line] == CONTOUR_COLOUR).all()


def test_a_preview_that_is_known_is_not_drawn_again(browser: Browser) -> None:
    answer = browser.client.get(PREVIEW, query_string=VALID)
    again = browser.client.get(PREVIEW, query_string=VALID, headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"num_dots": "100000"}, "Dots in a shape: Use a number from 1 to 1,000."),
        ({"jitter": "much"}, "Jitter: Not a valid float value."),
        ({"severity_from": "0.9"}, "Severity to: Use a number that is not smaller"),
        ({"noise": "loud"}, "Noise: Not a valid choice."),
        ({"definition": "none"}, "Definition: Not a valid choice."),
    ],
)
def test_values_that_make_no_image_are_named(browser: Browser, values: dict[str, str], said: str) -> None:
    answer = browser.client.get(PREVIEW, query_string=VALID | values)
    assert answer.status_code == 400
    assert said in answer.text


def test_so_many_previews_are_drawn_at_once_and_in_the_lane_of_pictures(browser: Browser) -> None:
    assert lane_of("GET", PREVIEW) == "pictures"
    with submit._previews.inside("ana"):
        assert browser.client.get(PREVIEW, query_string=VALID).status_code == 503
    assert browser.client.get(PREVIEW, query_string=VALID).status_code == 200


def test_one_image_is_tried_before_all_batches_and_the_desk_keeps_what_was_filled_in(
    browser: Browser, services: Services
) -> None:
    answer = browser.submit("/new/synthetic", VALID | {"try": "1", "jitter": "", "name": "a try"})
    job = services.repository.jobs(limit=1)[0]
    assert (job.counts.total, job.priority, job.name) == (1, Priority.HIGH, "a try")
    address = urlsplit(answer.location)
    asked = {name: value for name, (value,) in parse_qs(address.query).items()}
    given = {"severity_from": "0.0", "definition": "dotblob-v1", "name": "a try"}
    assert (address.path, address.fragment, asked) == ("/new/synthetic", "runs", VALID | given)
    page = browser.get(answer.location)
    assert page.status_code == 200
    assert 'value="30"' in page.text
    assert '<option selected value="speckle">' in page.text
    assert "scores come with the first result" in page.text
    simulated_worker.process(services, job.id)
    item = services.repository.items(job.id, limit=1)[0]
    page = browser.get("/new/synthetic")
    assert f"/items/{item.id}/errors.png?size=256" in page.text
    for value in (item.dice, item.iou, item.precision, item.recall):
        assert f"<span>{value:.3f}</span>" in page.text


def test_a_wrong_address_of_the_desk_says_what_is_wrong(browser: Browser) -> None:
    answer = browser.get("/new/synthetic?num_dots=0")
    assert answer.status_code == 400
    assert "Use a number from 1 to 1,000." in answer.text


def test_scores_are_means_of_what_was_measured(services: Services) -> None:
    job, _ = synthetic(services, 3), synthetic(services, 2, done=False)
    open_run, run = last_runs(services.database, services.repository, limit=5)
    assert (open_run.scores, run.job.id) == (None, job)
    items = services.repository.items(job, limit=3)
    assert run.scores is not None
    for name in ("dice", "iou", "precision", "recall"):
        assert getattr(run.scores, name) == pytest.approx(sum(getattr(item, name) for item in items) / 3)
    assert (run.scores.images, run.scores.clean) == (3, items[0].dice)
    assert len(last_runs(services.database, services.repository, limit=1)) == 1


def test_a_poll_of_the_runs_without_news_has_no_body(browser: Browser, services: Services) -> None:
    synthetic(services, 1)
    part = browser.get("/new/synthetic/runs")
    assert part.headers["ETag"] in browser.get("/new/synthetic").text
    again = browser.get("/new/synthetic/runs", headers={"If-None-Match": part.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
