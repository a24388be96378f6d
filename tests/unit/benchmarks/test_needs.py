"""A benchmark's servers are looked for before anything is measured."""

import ast
import sys

import pytest

from benchmarks import __main__ as command
from devservers import SERVERS, ServerMissing, installed
from shared.config import CHECKOUT

STARTS = {
    "full_stack": set(SERVERS),
    "redis_server": {"redis"},
    "postgres_server": {"postgres"},
    "s3_server": {"s3"},
}


def started(name: str) -> set[str]:
    """The servers that a benchmark starts, by what it imports."""
    tree = ast.parse((CHECKOUT / "benchmarks" / f"{name}.py").read_text(encoding="utf-8"))
    imported = [alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names]
    return set().union(*(STARTS.get(each, set()) for each in imported))


@pytest.mark.parametrize("name", command.BENCHMARKS)
def test_each_benchmark_names_the_servers_that_it_starts(name: str):
    assert set(command.NEEDS.get(name, ())) == started(name)


def run(monkeypatch: pytest.MonkeyPatch, only: str) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--quick", "--only", only])
    monkeypatch.setattr(command.importlib, "import_module", lambda name: pytest.fail(f"{name} was begun"))
    assert command.main() == 2


def lacking(reason: str):
    def find() -> None:
        raise ServerMissing(reason)

    return find


def test_all_that_is_missing_is_said_in_one_line_before_anything_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    servers = {name: lacking(f"needs {name}: install it") for name in ("redis", "s3")} | {"postgres": lambda: "/bin"}
    monkeypatch.setattr(installed, "SERVERS", servers)
    run(monkeypatch, "codecs,latency")
    error = capsys.readouterr().err
    assert "needs redis: install it; needs s3: install it" in error
    assert "make test-servers" in error
    assert error.count("\n") == 1


def test_a_benchmark_without_servers_needs_none(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(installed, "SERVERS", {name: lacking("needs it") for name in SERVERS})
    assert installed.missing_servers(command.NEEDS.get("codecs", ())) == []
