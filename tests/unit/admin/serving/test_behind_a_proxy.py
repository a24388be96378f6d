"""The admin behind nginx: as deploy/nginx.conf has it, on another port, below a path, and as it is often got wrong."""

import re
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode

import pytest
from flask import Flask

from admin.domain import sessions
from admin.serving.app import create_app
from devservers.nginx import nginx
from devservers.process import free_ports
from shared.config import Settings
from shared.services import Services
from tests.unit.admin.conftest import PASSWORD
from tests.unit.admin.serving.conftest import served

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("nginx_is_installed")]

DEPLOYED = (Path(__file__).parents[4] / "deploy" / "nginx.conf").read_text()
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}  # as browsers say it themselves


class Visitor:
    """A browser as far as cookies and redirects go."""

    def __init__(self, base: str) -> None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.cookies = CookieJar()
        self.opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=context), urllib.request.HTTPCookieProcessor(self.cookies)
        )
        self.base = base

    def open(self, address: str, form: dict[str, str] | None = None, **headers: str) -> tuple[int, str, str]:
        """Status, address after all redirects, page."""
        data = None if form is None else urlencode(form).encode()
        request = urllib.request.Request(
            address, data, {name.replace("_", "-"): text for name, text in headers.items()}
        )
        try:
            with self.opener.open(request, timeout=60) as answer:
                return answer.status, answer.url, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.url, error.read().decode()

    def log_in(self, **headers: str) -> tuple[int, str, str]:
        status, address, page = self.open(f"{self.base}/")
        assert status == 200, page
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
        action = re.search(r'<form method="post" action="([^"]+)"', page)
        assert token, page
        assert action, page
        target = urllib.parse.urljoin(address, action[1].replace("&amp;", "&"))
        return self.open(target, {"csrf_token": token[1], "name": "ana", "password": PASSWORD}, **headers)


@pytest.fixture
def app(settings: Settings, services: Services) -> Flask:
    return create_app(settings.model_copy(update={"admin_trusted_proxies": 1}), services)


@contextmanager
def proxied(app: Flask, settings: Settings, *changes: tuple[str, str], config: str = DEPLOYED) -> Iterator[int]:
    """Serve the app behind nginx with https on a port of its own, its configuration changed like this."""
    [port] = free_ports(1)
    with served(app, settings.model_copy(update={"admin_trusted_proxies": 1})) as own:
        changes = (
            ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
            ("http://127.0.0.1:8000", f"http://127.0.0.1:{own}"),
            ("/etc/ssl/private/delineate.crt", "CERTIFICATE"),
            ("/etc/ssl/private/delineate.key", "KEY"),
            *changes,
        )
        for before, after in changes:
            assert before in config
            config = config.replace(before, after)
        with nginx(config, port=port):
            yield port


def without(*headers: str) -> list[tuple[str, str]]:
    lines = [line for line in DEPLOYED.splitlines(keepends=True) if any(f"{name} $" in line for name in headers)]
    assert len(lines) == len(headers)
    return [(line, "") for line in lines]


HOST_WITHOUT_PORT = ("Host $http_host;", "Host $host;")


def test_as_it_is_told_to_be_set_up(app: Flask, settings: Settings, services: Services) -> None:
    with proxied(app, settings) as port:
        base = f"https://localhost:{port}"
        visitor = Visitor(base)
        status, address, _ = visitor.log_in(Referer=f"{base}/login")
        assert (status, address) == (200, f"{base}/")
        [cookie] = visitor.cookies
        assert cookie.name.startswith("__Host-delineate-")
        assert (cookie.secure, cookie.path) == (True, "/")
        assert sessions.sessions(services.database, "ana")[0].address == "127.0.0.1"
        # What a client says of a path is not passed on.
        assert visitor.open(f"{base}/login", X_Forwarded_Prefix="/evil")[1] == f"{base}/"


@pytest.mark.parametrize("changes", [[HOST_WITHOUT_PORT], without("Host", "X-Forwarded-Host")])
def test_a_proxy_that_passes_on_another_host(
    app: Flask, settings: Settings, changes: list[tuple[str, str]], caplog: pytest.LogCaptureFixture
) -> None:
    with proxied(app, settings, *changes) as port:
        base = f"https://localhost:{port}"
        # A browser of today says itself that the form is the site's own.
        assert Visitor(base).log_in(**SAME_ORIGIN)[0] == 200
        status, _, page = Visitor(base).log_in(Referer=f"{base}/login")
        assert status == 400
        assert f"localhost:{port}" in page
        assert "proxy_set_header Host $http_host" in page
        assert f"sent from localhost:{port}, not from" in caplog.text


def test_a_browser_that_tells_no_referrer(app: Flask, settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    with proxied(app, settings) as port:
        status, _, page = Visitor(f"https://localhost:{port}").log_in()
        assert status == 400
        assert "does not say from which page the form was sent" in page
        assert "no referrer" in caplog.text
        for foreign in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "null"},
                        {"Origin": "https://evil.example"}, {"Referer": f"http://localhost:{port}/"}):  # fmt: skip
            assert Visitor(f"https://localhost:{port}").log_in(**foreign)[0] == 400


def test_below_a_path(app: Flask, settings: Settings) -> None:
    changes = (
        ("location / {", "location /delineate/ {"),
        ('X-Forwarded-Prefix "";', "X-Forwarded-Prefix /delineate;"),
    )
    # The slash behind the address has nginx leave the path out.
    config = re.sub(r"(proxy_pass http://[\d.:]+)", r"\1/", DEPLOYED)
    with proxied(app, settings, *changes, config=config) as port:
        base = f"https://localhost:{port}/delineate"
        visitor = Visitor(base)
        status, address, page = visitor.log_in(**SAME_ORIGIN)
        assert (status, address) == (200, f"{base}/")
        [cookie] = visitor.cookies
        assert cookie.name.startswith("__Secure-delineate-")
        assert cookie.path == "/delineate"
        links = re.findall(r'(?:href|src|action|data-live)="(/[^"]*)"', page)
        assert len(links) > 8
        for link in links:
            assert link.startswith("/delineate/")
            assert visitor.open(f"https://localhost:{port}{link.replace('&amp;', '&')}")[0] in (200, 405)
        status, address, _ = Visitor(base).open(f"{base}/tokens")
        assert address == f"{base}/login?next=/delineate/tokens"


def test_a_prefix_that_leads_elsewhere_is_no_prefix(app: Flask) -> None:
    client = app.test_client()
    for prefix in ("//evil.example", "https://evil.example", "/a b", "/..", "/a/../b", "/\\evil.example", "evil", "/"):
        assert client.get("/tokens", headers={"X-Forwarded-Prefix": prefix}).location == "/login?next=/tokens"
    assert client.get("/tokens", headers={"X-Forwarded-Prefix": "/a/b/"}).location == "/a/b/login?next=/a/b/tokens"
