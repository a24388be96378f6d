"""Tokens, sessions and passwords in a real browser."""

import json
import urllib.error
import urllib.request

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.acceptance.conftest import LONG_MS, PASSWORD, log_in, new_context

pytestmark = pytest.mark.timeout(900)


def test_a_token_is_made_used_and_revoked(page: Page, address: str) -> None:
    page.get_by_role("link", name="Tokens").click()
    page.get_by_label("Name").fill("nightly script")
    page.get_by_label("May").select_option("operator")
    page.get_by_label("Valid for").select_option("30 days")
    page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name="Make the token").click()
    token = page.locator("#token").inner_text()
    request = urllib.request.Request(f"{address}/api/v1/me", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=LONG_MS / 1000) as answer:
        assert json.load(answer)["role"] == "operator"
    page.get_by_role("link", name="Tokens").click()
    expect(page.get_by_role("rowheader", name="nightly script")).to_be_visible()
    assert token not in page.content()
    page.get_by_role("button", name="Revoke nightly script").click()
    expect(page.get_by_text("Revoked:")).to_be_visible()
    with pytest.raises(urllib.error.HTTPError, match="401") as refused:
        urllib.request.urlopen(request, timeout=LONG_MS / 1000)
    refused.value.close()


def test_another_password_and_the_end_of_a_session(page: Page, browser: Browser, address: str) -> None:
    elsewhere = new_context(browser, address)
    other = elsewhere.new_page()
    other.goto("/login")
    log_in(other)
    page.get_by_role("link", name="ana").click()
    expect(page.get_by_role("row")).to_have_count(3)
    page.get_by_role("button", name="End all other sessions").click()
    expect(page.get_by_text("1 other session ended.")).to_be_visible()
    other.goto("/")
    expect(other.get_by_text("Your session has ended")).to_be_visible()
    elsewhere.close()
    page.get_by_label("Your password now").fill(PASSWORD)
    page.get_by_label("New password").fill("quite another set of words")
    page.get_by_label("The new one again").fill("quite another set of words")
    page.get_by_role("button", name="Change the password").click()
    expect(page.get_by_text("Your password is changed")).to_be_visible()
