import io
import re
from urllib.parse import unquote

import pytest
from flask import Flask
from werkzeug.datastructures import FileStorage
from werkzeug.test import encode_multipart

from admin.serving.app import create_app
from admin.web.guard.security import HEADERS
from shared.config import Settings
from shared.db.tables.base import new_id
from shared.errors import DatabaseUnavailable, StoreFull, StoreUnavailable
from shared.flows.submission import Source, submit_images
from shared.flows.synthetic import SyntheticSpec, submit_synthetic
from shared.services import Services
from tests import simulated_worker
from tests.unit.admin.conftest import NOTHING, Browser

HOSTILE = "<img src=x onerror=alert(1)>\"'&{{7*7}}"

ALL_WELL = {"database": True, "queue": True, "store": True, "temporary_files": True}


@pytest.mark.parametrize(
    "address", ["/", "/login", "/static/admin.css", "/health/live", "/nope", "/new/upload", "/tokens", "/api/v1/jobs"]
)
def test_every_answer_carries_the_headers(browser: Browser, address: str) -> None:
    answer = browser.get(address)
    for name, value in HEADERS.items():
        assert answer.headers[name] == value


@pytest.mark.parametrize(("seconds", "said"), [(0, None), (86400, "max-age=86400")])
def test_https_is_kept_to_where_that_is_asked_for(
    settings: Settings, services: Services, seconds: int, said: str | None
) -> None:
    client = create_app(settings.model_copy(update={"hsts_seconds": seconds}), services).test_client()
    assert "Strict-Transport-Security" not in client.get("/login").headers
    assert client.get("/login", base_url="https://localhost").headers.get("Strict-Transport-Security") == said


def test_only_uploads_may_be_large(stranger: Browser) -> None:
    answer = stranger.client.post("/login", data={"name": "x" * 2**20, "csrf_token": stranger.token("/login")})
    assert answer.status_code == 413


def test_the_content_policy_lets_nothing_inline_or_foreign_in() -> None:
    policy = HEADERS["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "base-uri 'none'" in policy
    assert "form-action 'self'" in policy


def test_pages_are_not_kept_and_static_files_are(browser: Browser) -> None:
    page = browser.get("/")
    assert page.headers["Cache-Control"] == "no-store"
    for address in re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text):
        asset = browser.get(address.replace("&amp;", "&"))
        assert asset.status_code == 200
        assert asset.cache_control.max_age > 86400


def test_no_page_has_inline_script_or_style(browser: Browser, services: Services) -> None:
    job = submit_synthetic(services, SyntheticSpec(2), name="job", submitted_by="ana")
    simulated_worker.process(services, job)
    item = services.repository.items(job, limit=1)[0].id
    for address in (
        "/",
        "/jobs",
        f"/jobs/{job}",
        f"/jobs/{job}?state=failed",
        f"/items/{item}",
        "/new/upload",
        "/new/synthetic",
        "/models",
        "/tokens",
        "/account",
    ):
        page = browser.get(address).text
        assert not re.search(r"\sstyle=|<style|\son\w+=|javascript:", page), address
        assert not re.search(r"<script(?![^>]*\ssrc=)", page), address
        assert "//" not in re.sub(r"<!doctype html>", "", re.sub(r"&#\d+;", "", page)).replace("://", ""), address


def test_names_and_errors_are_text_and_never_markup(browser: Browser, services: Services) -> None:
    job = submit_images(services, [Source(f"a/{HOSTILE}.png", lambda: b"no image")], name=HOSTILE, submitted_by=HOSTILE)
    simulated_worker.process(services, job)
    item = services.repository.items(job, limit=1)[0]
    with services.database.write() as connection:
        connection.exec_driver_sql("UPDATE items SET error = ?, note = ?, worker = ?", (HOSTILE,) * 3)
    services.workers.report(new_id(), name=HOSTILE, device=HOSTILE, model=HOSTILE, images=0)
    for address in ("/", "/jobs", "/jobs/live", f"/jobs/{job}", f"/jobs/{job}?state=failed", f"/items/{item.id}"):
        page = browser.get(address).text
        assert "<img src=x" not in page, address
        assert "&lt;img src=x" in page, address
        assert "{{7*7}}" in page, address


def test_the_name_of_a_download_is_one_header_line(browser: Browser, services: Services) -> None:
    job = submit_synthetic(services, SyntheticSpec(1), name='x"\r\nSet-Cookie: a=b; ünï', submitted_by="ana")
    disposition = browser.get(f"/jobs/{job}/results.zip").headers["Content-Disposition"]
    assert disposition.isprintable()
    plain, extended = re.fullmatch(r'attachment; filename="([^"\\]+)"; filename\*=UTF-8\'\'(\S+)', disposition).groups()
    assert plain == f"x___Set-Cookie_ a=b; _n_-{job[:8]}.zip"
    assert unquote(extended) == f"x___Set-Cookie_ a=b; ünï-{job[:8]}.zip"


@pytest.mark.parametrize("address", ["/nope", f"/jobs/{NOTHING}", f"/items/{NOTHING}", "/jobs/1"])
def test_what_is_not_there(browser: Browser, address: str) -> None:
    answer = browser.get(address)
    assert answer.status_code == 404
    assert "<h1>Not here</h1>" in answer.text
    assert "Log out" in answer.text


def test_a_stranger_sees_the_same_404_without_a_menu(stranger: Browser) -> None:
    answer = stranger.get("/nope")
    assert answer.status_code == 404
    assert "Log out" not in answer.text


def test_a_database_that_is_away_is_a_page_that_says_so(
    browser: Browser, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_arguments: object) -> None:
        raise DatabaseUnavailable("no answer from db.internal:5432")

    monkeypatch.setattr(type(services.database), "read", away)
    answer = browser.get("/")
    assert answer.status_code == 503
    assert "The database is away" in answer.text
    assert "db.internal" not in answer.text
    assert answer.headers["Retry-After"]
    assert browser.get("/health/live").status_code == 200
    assert browser.get("/static/admin.css").status_code == 200


def test_a_store_without_room_is_a_page_that_says_to_free_some(
    browser: Browser, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: object) -> None:
        raise StoreFull("cannot write in /srv/objects: No space left on device")

    monkeypatch.setattr(type(services.store), "put", full)
    answer = browser.submit("/new/upload", {"images": (io.BytesIO(b"any bytes"), "a.png")})
    assert answer.status_code == 503
    assert "The object store has no room. Nothing is lost; free some space there" in answer.text
    assert "away" not in answer.text
    assert "/srv/objects" not in answer.text
    assert answer.headers["Retry-After"]


def test_a_database_without_tables_is_not_a_traceback(browser: Browser, services: Services) -> None:
    with services.database.write() as connection:
        connection.exec_driver_sql("DROP TABLE users")
    answer = browser.get("/")
    assert answer.status_code == 503
    assert "not set up" in answer.text


def test_a_defect_is_a_page(app: Flask, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    def defect(*_arguments: object, **_options: object) -> None:
        raise ValueError("secret detail")

    app.testing = False
    monkeypatch.setattr("admin.domain.queries.jobs_page", defect)
    answer = browser.get("/jobs")
    assert answer.status_code == 500
    assert "secret detail" not in answer.text
    assert "Something broke" in answer.text


def test_an_upload_over_the_limit_is_a_page(browser: Browser, settings: Settings) -> None:
    token = browser.token("/new/upload")
    large = FileStorage(io.BytesIO(bytes(settings.max_upload_bytes)), "a.png")
    boundary, body = encode_multipart({"csrf_token": token, "images": large})
    kind = f'multipart/form-data; boundary="{boundary}"'
    answer = browser.client.post("/new/upload", data=body, content_type=kind)
    assert answer.status_code == 413
    assert "takes at most 4 MiB at once" in answer.text
    answer = browser.client.post("/new/upload", data={"csrf_token": token, "name": "x" * settings.max_upload_bytes})
    assert answer.status_code == 413
    assert "takes at most 1 MiB at once" in answer.text  # of a body without files


def test_health(browser: Browser, stranger: Browser, services: Services) -> None:
    assert stranger.get("/health/live").json == {"live": True}
    assert stranger.get("/health/ready").json == {"ready": True, "workers": 0, **ALL_WELL}
    services.workers.report(new_id(), name="w", device="cpu", model="0" * 64, images=0)
    assert stranger.get("/health/ready").json == {"ready": True, "workers": 1, **ALL_WELL}


def test_not_ready_names_the_part_and_nothing_more(
    stranger: Browser, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_store: object) -> None:
        raise StoreUnavailable("no answer from s3.internal")

    monkeypatch.setattr(type(services.store), "check", away)
    answer = stranger.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json == {
        "ready": False,
        "workers": 0,
        "database": True,
        "queue": True,
        "store": False,
        "temporary_files": True,
    }
