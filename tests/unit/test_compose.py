"""What docs/operations.md says that the containers know, and what they may not do."""

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

from devservers.s3 import KEYS_CLOSED
from shared.config import CHECKOUT, Settings, load_settings

COMPOSE: dict[str, Any] = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("migrate", "admin", "reconciler", "worker", "worker-cpu")
PINNED = ("docker-compose.yml", "Dockerfile.gpu", ".github/workflows/ci.yml")


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


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_may_do_no_more_than_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["pids_limit"] > 0
    assert service["mem_limit"]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


@pytest.mark.parametrize("name", SERVICES)
def test_nothing_runs_as_root_nor_under_a_name(name: str) -> None:
    users = re.findall(r"^USER (.*)$", (CHECKOUT / "Dockerfile.gpu").read_text(), re.MULTILINE)
    assert len(users) == 2
    for user in users if name in OURS else [SERVICES[name]["user"]]:
        assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)


def test_only_the_admin_is_where_a_proxy_goes() -> None:
    assert {name for name, service in SERVICES.items() if "front" in service["networks"]} == {"admin"}
    assert all("back" in service["networks"] for service in SERVICES.values())


def test_of_the_object_store_s3_alone_listens_outside_of_its_container() -> None:
    words = SERVICES["s3"]["command"].split()
    assert {word for word in words if ".bind=" in word} == {"-ip.bind=127.0.0.1", "-s3.ip.bind=0.0.0.0"}
    # tests/integration/store/test_s3.py shows that a server with these lets nobody manage its keys.
    assert SERVICES["s3"]["environment"].items() >= KEYS_CLOSED.items()


def test_no_secret_stands_on_a_command_line() -> None:
    for name, service in SERVICES.items():
        command = service.get("command", "")
        words = command if isinstance(command, list) else [command]
        # $$ is the container's own variable, which its environment has.
        assert not re.search(r"(?<!\$)\$\{?\w+", " ".join(words)), name


def test_every_service_that_others_wait_for_is_asked() -> None:
    for name, service in SERVICES.items():
        for other, wait in service.get("depends_on", {}).items():
            done = SERVICES[other]["restart"] == "no"
            assert wait["condition"] == ("service_completed_successfully" if done else "service_healthy"), (name, other)
            assert done or "healthcheck" in SERVICES[other]
        check = " ".join(service.get("healthcheck", {}).get("test", []))
        if "wget" in check:
            assert "-Y off" in check, name


def test_the_application_is_no_superuser() -> None:
    assert SERVICES["postgres"]["environment"]["POSTGRES_USER"] == "postgres"
    assert "://delineate@" in SERVICES["admin"]["environment"]["DATABASE_URL"]
    (statements,) = [word for word in SERVICES["database-role"]["command"] if "psql" in word]
    assert "ALTER ROLE delineate LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE" in statements
    assert "ALTER ROLE postgres PASSWORD NULL" in statements


def test_images_do_not_float() -> None:
    images = {service["image"] for name, service in SERVICES.items() if name not in OURS}
    assert images
    assert all(re.search(r":\d[\w.-]*(@sha256:[0-9a-f]{64})?$", image) for image in images)
    workflow = (CHECKOUT / ".github/workflows/ci.yml").read_text()
    assert all(re.fullmatch(r"[0-9a-f]{40}", ref) for ref in re.findall(r"uses: \S+@(\S+)", workflow))
    assert yaml.safe_load(workflow)["permissions"] == {"contents": "read"}


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copy what the scripts work on, beside a `docker` that answers with a digest for each image."""
    for name in ("scripts/compose-env", "scripts/pin-images", *PINNED):
        (tmp_path / "x" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(CHECKOUT / name, tmp_path / "x" / name)
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(
        '#!/bin/sh\n[ "$1" = buildx ] || exit 1\n'
        'echo "$4" >>"$0.asked"\nprintf "sha256:%s\\n" "$(printf %s "$4" | sha256sum | cut -c 1-64)"\n'
    )
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{docker.parent}:/usr/bin:/bin")
    return tmp_path / "x"


def test_images_are_pinned_to_what_their_tags_name(checkout: Path) -> None:
    for _ in range(2):  # again, over what is pinned
        subprocess.run([checkout / "scripts/pin-images"], check=True, capture_output=True)
        compose = yaml.safe_load((checkout / "docker-compose.yml").read_text())["services"]
        pinned = {name: compose[name]["image"] for name in SERVICES if name not in OURS}
        assert all(re.fullmatch(r"[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}", image) for image in pinned.values())
        assert pinned["postgres"] == pinned["database-role"]
        assert [compose[name]["image"] for name in OURS] == [SERVICES[name]["image"] for name in OURS]
        froms = re.findall(r"^FROM (\S+)(.*)$", (checkout / "Dockerfile.gpu").read_text(), re.MULTILINE)
        assert [(image.partition("@sha256:")[1] != "", rest) for image, rest in froms] == [
            (True, " AS base"), (False, " AS light"), (False, " AS worker"),
        ]  # fmt: skip
        assert "container: debian:12@sha256:" in (checkout / PINNED[2]).read_text()
    asked = (checkout.parent / "bin/docker.asked").read_text().split()
    assert len(asked) == 2 * len(set(asked)) == 2 * 5


def test_the_addresses_of_this_machine_follow_the_ports(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    subprocess.run([checkout / "scripts/compose-env"], check=True, capture_output=True)
    written = (checkout / ".env").read_text()
    (checkout / ".env").write_text(written.replace("POSTGRES_PORT=15432", "POSTGRES_PORT=25432"))
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    settings = load_settings(_env_file=checkout / ".env")
    assert settings.database_url.endswith("@127.0.0.1:25432/delineate")
    assert settings.broker_url == "redis://127.0.0.1:16379/0"
    assert settings.s3_endpoint_url == "http://127.0.0.1:18333"


@pytest.mark.parametrize("count", [1, 2, 4])
def test_each_of_several_workers_has_a_gpu_of_its_own(tmp_path: Path, count: int) -> None:
    """As docker compose renders it: the services of both files, side by side."""
    override = tmp_path / "docker-compose.override.yml"
    command = [sys.executable, str(CHECKOUT / "scripts" / "compose-gpus"), str(count), str(override)]
    assert subprocess.run(command, check=False).returncode == 0
    rendered = SERVICES | yaml.safe_load(override.read_text())["services"]
    workers = [each for each in rendered.values() if "gpu" in each.get("profiles", ())]
    devices = [each["deploy"]["resources"]["reservations"]["devices"][0]["device_ids"] for each in workers]
    assert sorted(devices) == [[str(number)] for number in range(count)]
    for worker in workers:
        assert worker | {"deploy": None} == SERVICES["worker"] | {"deploy": None}


@pytest.mark.parametrize("count", ["", "0", "four", "-1"])
def test_a_number_of_gpus_that_is_none_is_one_line(tmp_path: Path, count: str) -> None:
    command = [sys.executable, str(CHECKOUT / "scripts" / "compose-gpus"), count, str(tmp_path / "none.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "compose-gpus: give the number of GPUs: make compose-gpus ARGS=4\n"
    assert not (tmp_path / "none.yml").exists()


def test_training_in_the_worker_s_container_has_shared_memory() -> None:
    assert SERVICES["worker"]["shm_size"] == "1g"
