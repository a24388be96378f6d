import os
import socket
import sys
from pathlib import Path

import pytest

from admin.standalone.parts import choose_port, parts_environment, python_parts
from shared.config import load_settings
from shared.errors import ConfigurationError


def test_the_wanted_port_is_taken_if_it_is_free():
    free = choose_port(0, insist=False)
    assert choose_port(free, insist=True) == free


def test_a_taken_port_is_replaced_unless_it_was_asked_for():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert choose_port(port, insist=False) not in (0, port)
        with pytest.raises(ConfigurationError, match=f"port {port} cannot be used: Address already in use"):
            choose_port(port, insist=True)


def test_commands_of_this_environment_come_first(tmp_path: Path):
    environment = parts_environment(load_settings(delineate_home=tmp_path), only_embedded=False)
    assert environment["PATH"].split(os.pathsep)[0] == str(Path(sys.executable).parent)
    assert environment["DELINEATE_HOME"] == str(tmp_path)


def test_what_is_thrown_away_uses_nothing_that_is_configured_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://somewhere/precious")
    settings = load_settings(delineate_home=tmp_path, database_url="", broker_url="", store_url="")
    environment = parts_environment(settings, only_embedded=True)
    assert environment["DATABASE_URL"] == f"sqlite:///{tmp_path}/delineate.sqlite3"
    assert environment["BROKER_URL"] == f"redis+socket://{settings.broker_socket}"
    assert environment["STORE_URL"] == f"file://{tmp_path}/objects"


def test_the_admin_listens_on_this_machine_alone_and_the_key_is_its_own(tmp_path: Path):
    parts = python_parts({"ADMIN_HOST": "0.0.0.0"}, port=4711, secret_key="key")
    environments = {part.name: part.environment for part in parts}
    assert list(environments) == ["reconciler", "admin", "worker"]
    assert environments["admin"]["ADMIN_HOST"] == "127.0.0.1"
    assert environments["admin"]["ADMIN_PORT"] == "4711"
    assert [name for name, environment in environments.items() if "SECRET_KEY" in environment] == ["admin"]
