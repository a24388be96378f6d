from admin.domain import tokens
from admin.domain.roles import Role
from admin.serving.app import create_app
from admin.web.guard.rate_limit import RateLimiter
from shared.config import Settings
from shared.services import Services


def test_a_bucket_fills_steadily_and_holds_a_burst() -> None:
    now = 0.0
    limiter = RateLimiter(60, clock=lambda: now)
    assert [limiter.wait("a") for _ in range(12)] == [0] * 10 + [1, 1]
    assert limiter.wait("b") == 0
    now = 1.0
    assert [limiter.wait("a") for _ in range(2)] == [0, 1]
    now = 1000.0
    assert [limiter.wait("a") for _ in range(11)] == [0] * 10 + [1]
    assert {RateLimiter(0).wait("a") for _ in range(100)} == {0}


def test_a_token_that_asks_too_often_is_told_when_to_come_back(settings: Settings, services: Services) -> None:
    limited = settings.model_copy(update={"api_requests_per_minute": 1})
    object.__setattr__(services, "settings", limited)
    client = create_app(limited, services).test_client()
    first, second = (tokens.create(services.database, "ana", name, Role.VIEWER) for name in "ab")

    def ask(token: str) -> object:
        return client.get("/api/v1/me", headers={"Authorization": f"Bearer {token}"})

    assert ask(first).status_code == 200
    refused = ask(first)
    assert (refused.status_code, refused.json["type"]) == (429, "/api/v1/problems/too-many-requests")
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert ask(second).status_code == 200
