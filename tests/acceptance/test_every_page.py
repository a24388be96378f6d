"""What holds of every page in a real browser: it fits the screen, and axe finds no serious fault in either theme."""

from itertools import islice
from typing import Literal

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

from admin.domain import tokens
from admin.domain.roles import Role
from shared.db.events import Actor, EventSource
from shared.db.model_registry import ModelRegistry
from shared.flows.synthetic import SyntheticSpec, submit_synthetic
from shared.jobs import bulk_actions
from shared.jobs.bulk_actions import BulkKind, BulkOrder
from shared.jobs.filters import JobFilter
from shared.jobs.webhooks import Webhooks
from shared.services import Services
from shared.upkeep.bulk import BulkRunner
from tests import simulated_worker
from tests.unit.admin.made_jobs import mixed

pytestmark = pytest.mark.timeout(900)

LONG = "a-name-without-any-place-to-break-" * 5
THEMES: dict[Literal["light", "dark"], dict[str, object]] = {"light": {}, "dark": {"runOnly": ["color-contrast"]}}
"""Nothing but colours is of a theme."""
REPEATED = {"exclude": [".api-operation ~ .api-operation:not([id=schema-Job])"]}
"""Of hundreds that are alike on the page of the API, axe looks at two: the first, and a schema."""
CHEAPLY = {"resultTypes": ["violations"], "selectors": False, "elementRef": False, "preload": False}
SERIOUS = {"serious", "critical"}


@pytest.fixture
def addresses(services: Services) -> list[str]:
    """Every page, with something of each kind on it and names that fit nowhere."""
    running, done = (submit_synthetic(services, SyntheticSpec(4), name=LONG, submitted_by="ana") for _ in range(2))
    list(islice(simulated_worker.process_one_by_one(services, running), 2))
    simulated_worker.process(services, done)
    failed = mixed(services)
    item, other = (services.repository.items(job, limit=1)[0].id for job in (running, done))
    by = Actor("ana", EventSource.PAGE)
    bulk = bulk_actions.ask(services.database, BulkOrder(BulkKind.PRIORITY, filter=JobFilter(), priority=1), by=by)
    BulkRunner(services.repository).round()
    tokens.create(services.database, "ana", LONG[:60], Role.OPERATOR)
    ModelRegistry(services.database, services.store).publish(b"w", b"{}", name=LONG, summary={}, by="ana@host")
    webhook, _ = Webhooks(services.database).add("ana", f"https://receiver.example/{LONG}", owner="ana")
    return [
        "/", "/jobs", f"/jobs/{running}", f"/jobs/{failed}", f"/jobs/{done}?view=table",
        f"/jobs/{done}/clone", f"/jobs/{done}/review", f"/items/{item}", "/new/upload", "/new/synthetic",
        f"/compare?a={running}&b={done}", f"/compare/{item}/{other}", "/models", "/events",
        "/bulk-actions", f"/bulk-actions/{bulk.id}", "/webhooks", f"/webhooks/{webhook.id}", "/tokens", "/account",
        "/api/v1/docs", "/login",
    ]  # fmt: skip


@pytest.mark.parametrize("width", [360, 1440])
def test_no_page_is_wider_than_the_screen(page: Page, addresses: list[str], width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    for address in addresses:
        page.goto(address)
        overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert overflow == 0, address


def test_axe_finds_no_serious_fault_in_either_theme(page: Page, addresses: list[str]) -> None:
    faults: list[str] = []
    for address in addresses:
        page.goto(address)
        page.evaluate(AXE_SCRIPT)  # once for both themes, where `Axe.run` of the package does it each time
        for theme, rules in THEMES.items():
            page.emulate_media(color_scheme=theme)
            found = page.evaluate("([where, how]) => axe.run(where, how)", [REPEATED, CHEAPLY | rules])
            faults += [
                f"{address}, {theme}: {fault['id']}: {fault['help']}: {node['html']}"
                for fault in found["violations"]
                if fault["impact"] in SERIOUS
                for node in fault["nodes"]
            ]
    assert faults == []
