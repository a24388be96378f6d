"""What docs/operations.md says that the containers know."""

import re
from typing import Any

import pytest
import yaml

from shared.config import CHECKOUT, Settings, load_settings

SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text())["services"]
OURS = ("migrate", "admin", "reconciler", "worker", "worker-cpu")


@pytest.mark.parametrize("name", OURS)
def test_a_container_is_given_settings_alone(name: str) -> None:
    assert {setting.lower() for setting in SERVICES[name]["environment"]} <= Settings.model_fields.keys()


def test_the_settings_that_the_page_names_are_passed_on() -> None:
    page = (CHECKOUT / "docs" / "operations.md").read_text()
    (named,) = re.findall(r"The containers know what docker-compose.yml passes on.*?\n\n", page, re.DOTALL)
    passed_on = {
        setting
        for name in OURS
        for setting, value in SERVICES[name]["environment"].items()
        if re.fullmatch(r"\$\{(\w+):-\w*\}", str(value))
    }
    assert set(re.findall(r"`([A-Z_0-9]{3,})`", named)) == passed_on - {"ADMIN_USERNAME", "AWS_REGION"}


def test_an_empty_setting_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ADMIN_TRUSTED_PROXIES", "ALLOWED_ORIGINS", "S3_PUBLIC_URL", "MAX_UPLOAD_BYTES", "RETENTION_DAYS"):
        monkeypatch.setenv(name, "")
        assert getattr(load_settings(_env_file=None), name.lower()) == Settings.model_fields[name.lower()].default
