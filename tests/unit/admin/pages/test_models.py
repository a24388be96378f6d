import json

import pytest

from shared.config import DEFAULT_MODEL
from shared.db.model_registry import ModelRegistry
from shared.services import Services
from shared.store import keys
from tests.unit.admin.conftest import Browser
from tests.unit.admin.web.test_security import HOSTILE


@pytest.fixture
def registry(services: Services) -> ModelRegistry:
    return ModelRegistry(services.database, services.store)


def publish(registry: ModelRegistry, name: str, metrics: object = None) -> str:
    return registry.publish(name.encode(), b"{}", name=name, summary={"metrics": metrics}, by=HOSTILE).sha256


def test_an_empty_registry_says_how_to_fill_it(browser: Browser):
    page = browser.get("/models").text
    assert "None published yet" in page
    shipped = json.loads((DEFAULT_MODEL / "model.json").read_text())
    assert shipped["weights_sha256"][:12] in page
    assert f"{shipped['parameters']:,} parameters" in page
    assert f"{shipped['metrics']['monitor']['val_dice']:.4f}" in page
    assert "training.publish" in page
    assert "Roll back" not in page


def test_models_are_listed_with_their_scores_as_text(browser: Browser, registry: ModelRegistry):
    scored = publish(registry, HOSTILE, {"val": {"dice": 0.8611}, "clean": "not scores"})
    bare = publish(registry, "bare")
    publish(registry, "nuclei", {"own": {"dice": 0.9123}, "monitor": {"val_dice": 0.5}})
    publish(registry, "coins", {"monitor": {"val_dice": 0.7321}})
    page = browser.get("/models").text
    assert scored[:12] in page
    assert bare[:12] in page
    assert "0.8611" in page
    assert 'title="on images of one&#39;s own">0.9123<' in page
    assert 'title="on the few images that its training watched">0.7321<' in page
    assert "<img src=x" not in page
    assert "None is active" in page


def test_activating_and_rolling_back(browser: Browser, registry: ModelRegistry):
    first, second = publish(registry, "first"), publish(registry, "second")
    for sha256 in (first, second):
        assert browser.submit(f"/models/{sha256}/activate").status_code == 302
        assert registry.active() == registry.model(sha256)
    assert browser.get("/models").text.count('">Activate</button>') == 1
    browser.submit("/models/rollback")
    assert registry.active() == registry.model(first)
    assert "New jobs use first." in browser.get("/models").text
    browser.submit("/models/rollback")
    assert registry.active() is None
    browser.submit("/models/rollback")
    assert "there is nothing to roll back to" in browser.get("/models").text


def test_what_cannot_be_activated_is_said(browser: Browser, services: Services, registry: ModelRegistry):
    sha256 = publish(registry, "lost")
    services.store.delete([keys.model_weights(sha256)])
    browser.submit(f"/models/{sha256}/activate")
    assert "publish the model again" in browser.get("/models").text
    browser.submit("/models/0000/activate")
    assert "there is no model" in browser.get("/models").text
    assert registry.active() is None


def test_a_stranger_sees_and_changes_nothing(stranger: Browser, registry: ModelRegistry):
    sha256 = publish(registry, "first")
    for answer in (
        stranger.get("/models"),
        stranger.submit(f"/models/{sha256}/activate", page="/login"),
        stranger.submit("/models/rollback", page="/login"),
    ):
        assert answer.status_code == 302
        assert "/login" in answer.headers["Location"]
    assert registry.active() is None
