"""Odd characters in passwords: refused by name in an address, taken as they are beside it, never printed."""

from pathlib import Path

import pytest
from kombu.utils.url import parse_url
from sqlalchemy import make_url

from shared.addresses import checked_address, with_password
from shared.config import load_settings
from shared.db.database import Database
from shared.errors import ConfigurationError
from shared.queue.celery_app import ShardQueue

ODD = ["Tr0ub4dor#3", "corr@Tr0ub4dor", "Tr0ub4dor/9", "Tr0ub4dor%zz", "Tr0ub4dor?1", "1?Tr0ub4dor", "Tr0 ub4dor",
       "p#1@x/%41", "[Tr0ub4dor", "12/Tr0ub4dor", "#Tr0ub4dor", "Tr0ub4dor%"]  # fmt: skip


@pytest.mark.parametrize("password", ODD)
def test_an_address_that_such_a_password_breaks_is_refused_without_a_piece_of_it(password: str):
    for make in (
        lambda: Database(f"postgresql+psycopg://delineate:{password}@127.0.0.1:5432/delineate"),
        lambda: ShardQueue(f"redis://:{password}@127.0.0.1:6379/0"),
    ):
        with pytest.raises(ConfigurationError, match=r"^(DATABASE|BROKER)_URL: percent-encode") as caught:
            make()
        line = str(caught.value)
        assert not any(piece in line for piece in ("Tr0", "ub4dor", "corr", "p#1", "127.0.0.1"))


@pytest.mark.parametrize("password", [*ODD, "plain", "a:b", "a+b c", "é", "'\"$"])
def test_beside_the_address_any_password_will_do(password: str, tmp_path: Path):
    settings = load_settings(
        delineate_home=tmp_path,
        database_url="postgresql+psycopg://delineate@postgres/delineate?sslmode=require",
        database_password=password,
        broker_url="redis://redis:6379/0",
        broker_password=password,
    )
    database = make_url(checked_address("DATABASE_URL", settings.database))
    assert (database.username, database.password, database.host) == ("delineate", password, "postgres")
    assert database.query == {"sslmode": "require"}
    broker = parse_url(checked_address("BROKER_URL", settings.broker))
    assert (broker["password"], broker["hostname"], broker["port"], broker["virtual_host"]) == (
        password,
        "redis",
        6379,
        "0",
    )


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:p%23@[::1]:5432/db?application_name=a@b",
        "postgresql+psycopg://user@/db?host=h1:5432&host=h2:5432",
        "postgresql://user:a:b@h1,h2/db",
        "redis://h:1/0",
        "rediss://user:p@h:1/0?ssl_cert_reqs=required",
        "sentinel://:p@h1:1;sentinel://:p@h2:1",
        "redis+socket:///tmp/a%40b.sock",
    ],
)
def test_addresses_that_are_all_right(url: str):
    assert checked_address("X_URL", url) == url


def test_a_password_is_put_only_where_there_is_a_host_and_none():
    assert with_password("DATABASE_URL", "sqlite:////tmp/x", "p") == "sqlite:////tmp/x"
    assert with_password("BROKER_URL", "redis+socket:///tmp/x", "p") == "redis+socket:///tmp/x"
    assert with_password("BROKER_URL", "redis://:own@h/0", "p") == "redis://:own@h/0"


def test_a_password_of_the_file_is_not_that_of_an_address_in_the_environment(tmp_path: Path, monkeypatch):
    (tmp_path / ".env").write_text("BROKER_URL=redis://redis/0\nBROKER_PASSWORD='p#1'\n")
    for name in ("BROKER_URL", "BROKER_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    assert load_settings(_env_file=tmp_path / ".env").broker == "redis://:p%231@redis/0"
    monkeypatch.setenv("BROKER_URL", "redis://elsewhere/0")
    assert load_settings(_env_file=tmp_path / ".env").broker == "redis://elsewhere/0"


@pytest.mark.parametrize("parameter", ["nonsense=1", "autocommit=true", "prepare_threshold=often"])
def test_a_parameter_that_the_driver_does_not_know_is_told(parameter: str):
    with pytest.raises(ConfigurationError, match=f"DATABASE_URL.*{parameter.partition('=')[0]}"):
        Database(f"postgresql://user@host/db?{parameter}")


@pytest.mark.parametrize("name", ["it#1", "why?", "100%41", "a b", "é'\"", "a@b:c", "%(here)s"])
def test_the_embedded_stack_in_a_folder_of_any_name(tmp_path: Path, name: str):
    from shared.db.migrate import migrate
    from shared.store import open_store

    settings = load_settings(delineate_home=tmp_path / name, database_url="", broker_url="", store_url="")
    database = Database(settings.database)
    migrate(database)
    database.check()
    database.close()
    store = open_store(settings.store)
    store.prepare()
    store.check()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name / "delineate.sqlite3").exists()
    queue = ShardQueue(settings.broker)
    assert queue.celery.connection().as_uri() == f"redis+socket://{settings.broker_socket}"
    queue.close()


def test_a_checkout_in_a_folder_of_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from shared.db import migrate

    (tmp_path / "a%b c#").symlink_to(Path(migrate.__file__).parent)
    monkeypatch.setattr(migrate, "__file__", str(tmp_path / "a%b c#" / "migrate.py"))
    database = Database(f"sqlite:///{tmp_path / 'x.sqlite3'}")
    migrate.migrate(database)
    database.check()
    database.close()
