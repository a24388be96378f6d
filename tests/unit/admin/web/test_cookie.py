"""Two stacks on one machine and one browser, which sends a cookie to every port of a host."""

from pathlib import Path

from flask import Flask
from pydantic import SecretStr

from admin.serving.app import create_app
from admin.web.context import DECODERS
from shared.config import Settings
from shared.services import Services
from tests.unit.admin.conftest import PASSWORD, SECRET_KEY, Browser


def app_of(settings: Settings, services: Services, **changes: object) -> Flask:
    app = create_app(settings.model_copy(update=changes), services)
    app.extensions[DECODERS].close()
    return app


def test_the_name_is_the_stacks_own(settings: Settings, services: Services) -> None:
    def name(**changes: object) -> str:
        return str(app_of(settings, services, **changes).config["SESSION_COOKIE_NAME"])

    here, there = Path("/a"), Path("/b")
    assert name(database_url="", delineate_home=here) == name(database_url="", delineate_home=here)
    assert name(database_url="", delineate_home=here) != name(database_url="", delineate_home=there)
    # Replicas of one admin have the same key and database, and homes of their own.
    assert name(delineate_home=here) == name(delineate_home=there)
    assert name() != name(secret_key=SecretStr("another of thirty-two characters or more."))


def test_a_browser_stays_logged_in_to_both(settings: Settings, services: Services) -> None:
    apps = [app_of(settings, services, secret_key=SecretStr(f"{stack} {SECRET_KEY}")) for stack in "ab"]
    jar: dict[str, str] = {}
    for app in apps:
        client = app.test_client()
        for name, value in jar.items():
            client.set_cookie(name, value)
        Browser(client).submit("/login", {"name": "ana", "password": PASSWORD}, page="/login")
        jar |= {name: cookie.value for (_, _, name), cookie in client._cookies.items()}
    assert len(jar) == 2
    for app in apps:
        client = app.test_client()
        for name, value in jar.items():
            client.set_cookie(name, value)
        assert client.get("/").status_code == 200
