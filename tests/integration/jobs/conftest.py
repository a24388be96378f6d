"""The services of a part, over a real Redis and both kinds of database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.config import Settings, load_settings
from shared.services import Services, connect
from tests.prepared_tables import make_tables


@pytest.fixture
def settings(database_url: str, broker_url: str, tmp_path: Path) -> Settings:
    return load_settings(
        delineate_home=tmp_path / "home",
        database_url=database_url,
        broker_url=broker_url,
        store_url=(tmp_path / "objects").as_uri(),
        shard_size=4,
        publish_window=5,
        upload_threads=3,
        resend_after=3600,  # a slow machine must not look like a lost hint
    )


@pytest.fixture
def services(settings: Settings) -> Iterator[Services]:
    services = connect(settings)
    make_tables(services.database)
    services.store.prepare()
    services.check()
    yield services
    services.close()
