import pytest

from admin.api.once import REPLAYED_HEADER
from admin.serving.app import create_app
from admin.web.request_ids import HEADER
from shared.config import Settings
from shared.errors import ConfigurationError
from shared.services import Services

ASKED = {"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}
CORS = "Access-Control-"


def headers(settings: Settings, services: Services, allowed: str, path: str, method: str = "OPTIONS") -> dict[str, str]:
    app = create_app(settings.model_copy(update={"allowed_origins": allowed}), services)
    answer = app.test_client().open(path, method=method, headers=ASKED, buffered=True)
    return {name: value for name, value in answer.headers if name.startswith(CORS)}


@pytest.mark.parametrize("method", ["OPTIONS", "GET"])
def test_no_origin_is_allowed_unless_it_is_named(settings: Settings, services: Services, method: str) -> None:
    for allowed in ("", "https://b.example", "https://a.example.org, http://a.example", "https://a.example:8443"):
        assert headers(settings, services, allowed, "/api/v1/jobs", method) == {}


def test_a_named_origin_may_ask_with_a_token_and_never_with_cookies(settings: Settings, services: Services) -> None:
    given = headers(settings, services, "https://b.example,https://a.example", "/api/v1/jobs")
    assert given["Access-Control-Allow-Origin"] == "https://a.example"
    assert "Authorization" in given["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Credentials" not in given


def test_any_origin_may_but_never_with_cookies(settings: Settings, services: Services) -> None:
    for allowed in ("*", "* https://a.example"):
        given = headers(settings, services, allowed, "/api/v1/jobs", "GET")
        assert given["Access-Control-Allow-Origin"] == "*"
        exposed = given["Access-Control-Expose-Headers"].split(", ")
        assert {"Location", "Retry-After", REPLAYED_HEADER, HEADER} <= set(exposed)
        assert "Access-Control-Allow-Credentials" not in given


def test_pages_are_for_no_other_origin(settings: Settings, services: Services) -> None:
    for path in ("/", "/login", "/tokens", "/health/live", "/static/admin.css"):
        assert headers(settings, services, "*", path, "GET") == {}


def test_answers_for_one_origin_are_not_kept_for_another(settings: Settings, services: Services) -> None:
    app = create_app(settings.model_copy(update={"allowed_origins": "https://b.example"}), services)
    assert "Origin" in app.test_client().get("/api/v1/jobs", headers=ASKED).vary


@pytest.mark.parametrize(
    "origin", ["a.example", "https://a.example/", "https://*.example", "null", "HTTPS://A.example"]
)
def test_what_is_no_origin_is_refused_at_the_start(settings: Settings, services: Services, origin: str) -> None:
    with pytest.raises(ConfigurationError, match="ALLOWED_ORIGINS"):
        create_app(settings.model_copy(update={"allowed_origins": origin}), services)
