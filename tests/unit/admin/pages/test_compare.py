"""The pages of a comparison; tests/acceptance/test_review.py looks at a pair in a browser."""

import re

import pytest

from shared.flows.synthetic import SyntheticSpec, submit_synthetic
from shared.images.codec import decode_mask, encode_mask
from shared.services import Services
from tests import simulated_worker
from tests.unit.admin.conftest import NOTHING, Browser


@pytest.fixture
def jobs(services: Services) -> tuple[str, str]:
    """Two jobs over the same scenes; in the second one mask is empty, one is its mirror image, and one is lost."""
    made = []
    for name in ("first", "second"):
        made.append(submit_synthetic(services, SyntheticSpec(4, seed=3), name=name, submitted_by="ana"))
        simulated_worker.process(services, made[-1])
    items = services.repository.items(made[1], limit=4)
    mask = decode_mask(services.store.get(items[0].mask_key or ""))
    services.store.put(items[0].mask_key or "", encode_mask(mask & False))
    mask = decode_mask(services.store.get(items[1].mask_key or ""))
    services.store.put(items[1].mask_key or "", encode_mask(mask[::-1]))
    services.store.delete([items[2].mask_key or ""])
    return made[0], made[1]


def test_a_comparison_goes_on_with_its_page(browser: Browser, services: Services, jobs: tuple[str, str]) -> None:
    choice = browser.get(f"/compare?a={jobs[0]}").text
    assert f'value="{jobs[1]}"' in choice
    assert f'value="{jobs[0]}"' not in choice.partition("<select")[2]
    address = f"/compare?a={jobs[0]}&b={jobs[1]}"
    assert "0 of 4 pairs compared" in browser.get(address).text
    step = browser.submit(f"/compare/step?a={jobs[0]}&b={jobs[1]}", page=address).text
    assert "4 of 4 pairs compared: mean Dice" in step
    assert "1 could not be compared" in step
    assert 'data-goes-on=""' in step
    page = browser.get(address).text
    paths = [item.path for item in services.repository.items(jobs[0], limit=4)]
    assert re.findall(r"<bdi>(synthetic-\d+\.png)</bdi>", page) == [paths[2], paths[0], paths[1], paths[3]]
    assert "not comparable" in page
    changed = re.search(r"Something in this one alone</th><td>(\d)</td><td>(\d)</td>", page)
    assert changed is not None
    assert changed.groups() == ("1", "0")

    links = re.findall(r'href="(/compare/[^"]+)"', page)
    lost, empty = (browser.get(link).text for link in links[:2])
    assert "cannot be compared" in lost
    assert "Dice of A and B 0.000" in empty
    picture = re.search(r'src="(/items/[^"]+/difference\.png[^"]+)"', empty)
    assert picture is not None
    answer = browser.get(picture[1].replace("&amp;", "&"))
    assert (answer.status_code, answer.content_type) == (200, "image/png")
    assert browser.get(picture[1].partition("?")[0]).status_code == 404
    assert browser.get(f"{address}&after=0.5,{2**63}").status_code == 404


@pytest.mark.parametrize("query", ["", "?a=x", f"?a={NOTHING}"])
def test_what_there_is_not_is_not_compared(browser: Browser, query: str) -> None:
    assert browser.get(f"/compare{query}").status_code == 404
