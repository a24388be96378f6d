"""Saved views: filters under a name, one's own and those of others that are shared."""

from urllib.parse import urlencode

import pytest

from admin.domain import accounts
from admin.domain.saved_views import MAX_VIEWS, SavedView, ViewOf, save_view, saved_views
from shared.errors import UsageError
from shared.services import Services
from tests.unit.admin.conftest import NOTHING, Browser
from tests.unit.admin.made_jobs import mixed


def own(services: Services, of: ViewOf = ViewOf.JOBS, user: str = "ana") -> list[SavedView]:
    return saved_views(services.database, user, of)


def save(browser: Browser, of: str, name: str, query: dict[str, str], **more: str) -> str:
    form = {"of": of, "name": name, "query": urlencode(query)}
    return browser.get(browser.submit("/views", form | more, page="/tokens").location).text


def test_a_view_of_jobs_is_kept_shown_and_deleted(browser: Browser, services: Services) -> None:
    asked = {"state": "open", "since": "7d", "mine": "1"}
    page = save(browser, "jobs", "  My open ones ", asked | {"before": NOTHING}, back="/jobs")
    assert "Saved as “My open ones”." in page
    [view] = own(services)
    assert (view.name, view.query, view.is_shared) == ("My open ones", asked, False)
    page = browser.get("/jobs?state=open&since=7d&mine=1").text
    assert 'href="/jobs?' in page.split(">My open ones<")[0].rpartition("<a ")[2]
    assert 'aria-current="page"' in page.split(">My open ones<")[0].rpartition("<a ")[2]
    save(browser, "jobs", "My open ones", {"state": "failed"}, shared="1")  # in its place
    [again] = own(services)
    assert (again.query, again.is_shared) == ({"state": "failed"}, True)
    browser.submit(f"/views/{again.id}/delete", {"back": "/jobs"})
    assert own(services) == []


def test_a_view_of_images_is_there_for_every_job(browser: Browser, services: Services) -> None:
    first, second = mixed(services), mixed(services)
    asked = {"sort": "-trust", "trust_max": "0.8"}
    page = save(browser, "items", "Worst first", asked | {"after": "3", "view": "table"}, back=f"/jobs/{first}")
    assert "Saved as “Worst first”." in page
    assert own(services) == []
    page = browser.get(f"/jobs/{second}").text
    link = page.split(">Worst first<")[0].rpartition('href="')[2]
    assert link.startswith(f"/jobs/{second}?")
    assert "trust_max=0.8" in link


def test_others_see_what_is_shared_and_delete_nothing(browser: Browser, services: Services) -> None:
    accounts.add(services.database, "bo", "words that bo knows", accounts.Role.VIEWER)
    save_view(services.database, "bo", ViewOf.JOBS, "For all", {"state": "open"}, is_shared=True)
    save_view(services.database, "bo", ViewOf.JOBS, "For bo", {"state": "open"}, is_shared=False)
    page = browser.get("/jobs").text
    assert ">For all<" in page
    assert "For bo" not in page
    assert "Delete “For all”" not in page
    shared = own(services)[0]
    page = browser.get(browser.submit(f"/views/{shared.id}/delete").location).text
    assert "There is no such view of yours" in page
    accounts.add(services.database, "op", "words that op knows", accounts.Role.OPERATOR)
    accounts.set_role(services.database, "ana", accounts.Role.VIEWER)  # a viewer keeps views too
    assert "Saved as “Mine”." in save(browser, "jobs", "Mine", {"state": "open"})
    accounts.remove(services.database, "bo")
    assert [view.name for view in own(services)] == ["Mine"]


@pytest.mark.parametrize(
    ("of", "name", "query", "said"),
    [
        ("jobs", "", {"state": "open"}, "A view&#39;s name has 1 to 64 printable characters"),
        ("jobs", "x" * 65, {"state": "open"}, "A view&#39;s name has 1 to 64 printable characters"),
        ("jobs", "all", {}, "This view has no filter"),
        ("jobs", "all", {"state": "lost"}, "State: "),
        ("items", "all", {"trust_min": "much"}, "The value of trust_min does not fit"),
        ("events", "all", {"state": "open"}, "There is no such list"),
    ],
)
def test_what_is_no_view_is_not_kept(
    browser: Browser, services: Services, of: str, name: str, query: dict[str, str], said: str
) -> None:
    assert said in save(browser, of, name, query)
    assert own(services) == own(services, ViewOf.ITEMS) == []


def test_an_account_has_so_many_views(services: Services) -> None:
    accounts.set_password(services.database, "cy", "words that cy knows")
    for number in range(MAX_VIEWS):
        save_view(services.database, "cy", ViewOf.JOBS, str(number), {"state": "open"}, is_shared=False)
    with pytest.raises(UsageError, match="at most 50 views"):
        save_view(services.database, "cy", ViewOf.ITEMS, "more", {"state": "failed"}, is_shared=False)
    save_view(services.database, "cy", ViewOf.JOBS, "7", {"state": "failed"}, is_shared=False)  # in place of one


def test_the_way_back_never_leads_away(browser: Browser) -> None:
    form = {"of": "jobs", "name": "a", "query": "state=open", "back": "//example.org"}
    assert browser.submit("/views", form).location == "/jobs"
