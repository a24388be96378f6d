"""`admin models` over SQLite and a folder."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from admin import cli
from shared.db.model_registry import ModelRegistry
from shared.services import Services


@pytest.fixture(autouse=True)
def registry(own_services: Services, monkeypatch: pytest.MonkeyPatch) -> ModelRegistry:
    monkeypatch.setenv("COLUMNS", "120")
    return ModelRegistry(own_services.database, own_services.store)


def models(*arguments: str) -> Result:
    return CliRunner().invoke(cli.main, ["models", *arguments])


def publish(registry: ModelRegistry, name: str, dice: float | None = None) -> str:
    metrics = {} if dice is None else {"val": {"dice": dice}}
    return registry.publish(name.encode(), b"{}", name=name, summary={"metrics": metrics}, by="ana@host").sha256


def test_an_empty_registry_says_how_to_fill_it():
    result = models("list")
    assert result.exit_code == 0
    assert "training.publish" in result.output


def test_the_list_marks_the_active_model(registry):
    first, second = publish(registry, "[bold]first", 0.8412), publish(registry, "second")
    assert "none is active" in models("list").output
    registry.activate(first, by="ana")
    _heading, *rows = models("list").output.splitlines()
    assert len(rows) == 2
    [marked] = [row for row in rows if row.startswith("*")]
    assert first[:12] in marked
    assert "[bold]first" in marked
    assert "0.8412" in marked
    assert any(second[:12] in row for row in rows)


def test_activate_and_rollback_say_what_new_jobs_get(registry):
    first, second = publish(registry, "first"), publish(registry, "second")
    assert models("activate", first[:8]).output == f"new jobs use {first[:12]} first\n"
    assert models("activate", second).output == f"new jobs use {second[:12]} second\n"
    assert registry.active() == registry.model(second)
    assert models("rollback").output == f"new jobs use {first[:12]} first\n"
    assert models("rollback").output == "new jobs use each worker's own model (MODEL_PATH)\n"
    assert registry.active() is None


def test_a_model_is_renamed_and_goes_by_its_name(registry):
    sha256 = publish(registry, "compact")
    assert models("rename", sha256[:6], "nuclei").output == f"{sha256[:12]} is called nuclei\n"
    assert models("activate", "nuclei").output == f"new jobs use {sha256[:12]} nuclei\n"
    refused = models("rename", "compact", "other")
    assert refused.exit_code == 2
    assert refused.stderr == f"error: there is no model 'compact'; there is nuclei ({sha256[:12]})\n"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["activate", "abcd"], "error: there is no model 'abcd': no model is published yet"),
        (["activate", "latest"], "error: there is no model 'latest': no model is published yet"),
        (["rollback"], "error: there is nothing to roll back to"),
    ],
)
def test_what_cannot_be_done_is_one_line(arguments: list[str], reason: str):
    result = models(*arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith(reason)
    assert result.stderr.count("\n") == 1


def test_a_database_that_was_never_migrated_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}/other.sqlite3")
    result = models("list")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: there is no database at ")
