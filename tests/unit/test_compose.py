"""What docs/operations.md says that the containers know."""

import os
import re
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from dotenv import dotenv_values
from kombu.utils.url import parse_url
from sqlalchemy import make_url

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


def test_a_password_is_no_part_of_an_address() -> None:
    for name in OURS:
        environment = SERVICES[name]["environment"]
        assert "PASSWORD" not in environment["DATABASE_URL"] + environment["BROKER_URL"]
        assert environment["DATABASE_PASSWORD"].startswith("${POSTGRES_PASSWORD:?")
        assert environment["BROKER_PASSWORD"].startswith("${REDIS_PASSWORD:?")
    assert SERVICES["redis"]["command"][-2:] == ["--requirepass", "${REDIS_PASSWORD}"]


def test_the_health_of_a_container_is_asked_past_any_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Health(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Health) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        for name in ("admin", "reconciler", "worker", "worker-cpu"):
            _cmd, _python, option, code = SERVICES[name]["healthcheck"]["test"]
            here = re.sub(r"127\.0\.0\.1:\d+", f"127.0.0.1:{server.server_port}", code)
            environment = os.environ | {"HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
            subprocess.run([sys.executable, option, here], env=environment, check=True)
        server.shutdown()
        thread.join()
    assert asked == ["/health/ready"] * 4


def test_checkouts_in_folders_of_one_name_stay_apart(tmp_path: Path) -> None:
    names = set()
    for folder in (tmp_path / "x" / "delineate", tmp_path / "y" / "delineate"):
        (folder / "scripts").mkdir(parents=True)
        shutil.copy(CHECKOUT / "scripts" / "compose-env", folder / "scripts")
        for _ in range(2):  # new secrets, the same name: the volumes stay
            subprocess.run([folder / "scripts" / "compose-env"], check=True, capture_output=True)
            names.add(dotenv_values(folder / ".env")["COMPOSE_PROJECT_NAME"])
            (folder / ".env").unlink()
    assert len(names) == 2


@pytest.mark.parametrize("password", ["p#1@x/%41", 'a b"c', "plain"])
def test_producer_finds_the_stack_by_the_same_file(tmp_path: Path, monkeypatch, password: str) -> None:
    (tmp_path / "scripts").mkdir()
    shutil.copy(CHECKOUT / "scripts" / "compose-env", tmp_path / "scripts")
    subprocess.run([tmp_path / "scripts" / "compose-env"], check=True, capture_output=True)
    written = (tmp_path / ".env").read_text()
    (tmp_path / ".env").write_text(re.sub(r"(?m)^(POSTGRES|REDIS)_PASSWORD=.*$", rf"\1_PASSWORD='{password}'", written))
    for name in ("DATABASE_URL", "DATABASE_PASSWORD", "BROKER_URL", "BROKER_PASSWORD", "POSTGRES_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    settings = load_settings(_env_file=tmp_path / ".env")
    assert make_url(settings.database).password == password
    assert parse_url(settings.broker)["password"] == password


def test_an_empty_setting_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ADMIN_TRUSTED_PROXIES", "ALLOWED_ORIGINS", "S3_PUBLIC_URL", "MAX_UPLOAD_BYTES", "RETENTION_DAYS"):
        monkeypatch.setenv(name, "")
        assert getattr(load_settings(_env_file=None), name.lower()) == Settings.model_fields[name.lower()].default
