"""What whom is for: every endpoint is decided about."""

import pytest
from flask import Flask

from admin.domain import accounts, tokens
from admin.web.guard.auth import FOR_REVIEWERS, PUBLIC
from shared.services import Services
from tests.unit.admin.conftest import NOTHING, Browser

# Everything that the admin serves, each of it a decision. A new endpoint is decided about here.
FOR_ANYBODY = {
    "static", "health.overall", "health.live", "health.ready", "api_docs.page", "api_docs.problem",
    "auth.login", "auth.log_in", "api.document",
    "metrics.show",  # for whoever has METRICS_TOKEN, see test_metrics.py
}  # fmt: skip

FOR_VIEWERS = {
    "auth.logout", "jobs.index", "jobs.live", "jobs.job", "jobs.progress", "jobs.items", "jobs.results", "items.item",
    "items.picture", "items.preview", "models.index", "tokens.index", "tokens.create", "tokens.revoke", "account.index",
    "account.change_password", "account.end_session", "account.end_others", "api.me", "api.jobs", "api.job",
    "api.job_items", "api.job_results", "api.item", "api.item_file", "api.models", "api.workers", "api.grade",
    "views.save", "views.delete", "compare.index", "compare.pair", "compare.step", "compare.difference",
    "events.index", "api.list_events",
    "api.job_summary", "overview.index", "overview.live", "overview.past", "bulk.index", "bulk.one", "bulk.live",
    "api.list_bulk_actions", "api.see_bulk_action",
    "items.region", "object_table.table", "api.item_objects", "jobs.distributions",
    "api.list_webhooks", "api.webhook_deliveries", "webhooks.index", "webhooks.deliveries",
}  # fmt: skip

FOR_THE_DESK = {"review.desk"}

FOR_OPERATORS = {
    "submit.synthetic", "submit.preview", "submit.runs", "submit.upload",
    "filling.begin", "filling.page", "filling.known", "filling.add", "filling.finish", "cloning.form",
    "jobs.cancel", "jobs.retry", "models.activate", "models.rollback",
    "api.submit_generated", "api.submit_uploaded", "api.cancel_job", "api.retry_job", "api.clone_job", "api.predict",
    "api.predict_json", "api.demo", "api.begin_submission", "api.add_to_job", "api.known_images", "api.seal_job",
    "api.discard_job", "api.find_submissions", "api.change_submission",
    "bulk.make", "bulk.stop", "api.ask_bulk_action", "api.abort_bulk_action",
    "webhooks.test", "webhooks.send_again",
    "api.add_webhook", "api.remove_webhook", "api.test_webhook", "api.send_again", "api.add_objects",
}  # fmt: skip


@pytest.mark.parametrize("role", [accounts.Role.VIEWER, accounts.Role.REVIEWER])
def test_each_endpoint_is_for_those_it_is_meant_for(
    app: Flask, browser: Browser, services: Services, role: accounts.Role
) -> None:
    decided = FOR_ANYBODY | FOR_VIEWERS | FOR_REVIEWERS | FOR_THE_DESK | FOR_OPERATORS
    assert {rule.endpoint for rule in app.url_map.iter_rules()} == decided
    assert PUBLIC == FOR_ANYBODY
    accounts.add(services.database, "op", "words that op knows", accounts.Role.OPERATOR)
    accounts.set_role(services.database, "ana", role)
    token = tokens.create(services.database, "ana", "script", role)
    headers = {"Authorization": f"Bearer {token}"}
    form = {"csrf_token": browser.token("/tokens")}
    names = {"name": "mask", "file": "mask", "filename": "admin.css"}
    # The last one ends the session.
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.endpoint == "auth.logout"):
        address = rule.build({name: names.get(name, NOTHING) for name in rule.arguments})[1]
        for method in rule.methods - {"OPTIONS"}:
            as_whom = {"headers": headers} if rule.endpoint.startswith("api.") else {"data": form}
            answer = browser.client.open(address, method=method, buffered=True, **as_whom)
            refused = rule.endpoint in FOR_OPERATORS or (
                rule.endpoint in FOR_REVIEWERS | FOR_THE_DESK and not role.may_review
            )
            assert (answer.status_code == 403) is refused, (method, rule)
            assert answer.status_code != 401 or rule.endpoint == "auth.log_in", (method, rule)


def test_a_viewer_looks_and_changes_nothing(app: Flask, browser: Browser, services: Services) -> None:
    accounts.add(services.database, "op", "words that op knows", accounts.Role.OPERATOR)
    accounts.set_role(services.database, "ana", accounts.Role.VIEWER)
    token = browser.token("/tokens")
    for rule in app.url_map.iter_rules():
        if "POST" not in rule.methods or rule.endpoint.startswith("api."):
            continue
        address = rule.build(dict.fromkeys(rule.arguments, NOTHING))[1]
        if rule.endpoint in FOR_ANYBODY | FOR_VIEWERS:
            continue
        answer = browser.client.post(address, data={"csrf_token": token})
        assert answer.status_code == 403, address
    page = browser.get("/jobs").text
    assert 'class="button primary" href="/new/' not in page
    for address in ("/new/upload", "/new/synthetic"):
        assert browser.get(address).status_code == 403
    for address in ("/", "/jobs", "/models", "/tokens"):
        assert browser.get(address).status_code == 200
