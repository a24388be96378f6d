"""Migrations of the schema. Apart from `Database`, since only `admin migrate` and the embedded stack need Alembic."""

import logging
from pathlib import Path

from alembic import command
from alembic.config import Config

from shared.db.database import SCHEMA_VERSION, Database
from shared.db.network_disk import warning_of

log = logging.getLogger(__name__)


def migrate(database: Database, revision: str = SCHEMA_VERSION) -> None:
    """Bring the schema to this code's version (or up to `revision`), making the tables in an empty database.

    Raises:
        DatabaseUnavailable: it does not answer.
        ConfigurationError: it cannot be used.
    """
    config = Config()
    # A % in an option of Alembic begins the name of another option.
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    url = database.engine.url
    if url.get_backend_name() == "sqlite":
        if url.database:
            folder = Path(url.database).parent
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if warning := warning_of(folder):
                log.warning(warning, extra={"action": "network_disk"})
        with database.write() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
        return
    with database.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
