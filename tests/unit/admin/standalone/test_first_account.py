from collections.abc import Iterator
from pathlib import Path

import pytest

from admin.domain import accounts
from admin.standalone.first_account import prepare_first_account
from admin.standalone.home import Home, read_secret
from shared.config import Settings, load_settings
from shared.db.database import Database
from tests.prepared_tables import make_tables


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(delineate_home=tmp_path, database_url="", admin_username="admin", admin_password=None)


@pytest.fixture
def home(settings: Settings) -> Iterator[Home]:
    home = Home(settings.delineate_home)
    yield home
    home.close()


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    database = Database(settings.database)
    make_tables(database)
    yield database
    database.close()


def test_the_first_start_makes_a_password_and_later_ones_keep_it(home: Home, settings: Settings, database: Database):
    password = prepare_first_account(home, settings, database)
    assert password
    assert read_secret(home.password_file) == password
    assert accounts.verify(database, "admin", password)
    assert prepare_first_account(home, settings, database) is None
    assert read_secret(home.password_file) == password


def test_a_password_that_is_no_longer_right_is_not_kept(home: Home, settings: Settings, database: Database):
    prepare_first_account(home, settings, database)
    accounts.set_password(database, "admin", "one of my own choice")
    assert prepare_first_account(home, settings, database) is None
    assert not home.password_file.exists()
    assert accounts.verify(database, "admin", "one of my own choice")


def test_a_configured_password_is_used_and_not_written_down(home: Home, settings: Settings, database: Database):
    configured = load_settings(delineate_home=home.path, database_url="", admin_password="from the environment")
    assert prepare_first_account(home, configured, database) is None
    assert not home.password_file.exists()
    assert accounts.verify(database, settings.admin_username, "from the environment")
