"""The first account of an embedded stack: its password is made at the first start and kept in the home folder."""

import secrets

from pydantic import SecretStr

from admin.domain.accounts import ensure_first_account, verify
from admin.standalone.home import Home, read_secret, write_secret
from shared.config import Settings
from shared.db.database import Database

_PASSWORD_BYTES = 15  # 120 bits, 20 characters


def prepare_first_account(home: Home, settings: Settings, database: Database) -> str | None:
    """Make the account ADMIN_USERNAME where there is none; returns the password if this call made it up.

    Afterwards the password file exists exactly if its password opens that account.
    """
    if settings.admin_password is not None:
        ensure_first_account(settings, database)
        return None
    known = read_secret(home.password_file)
    password = known or secrets.token_urlsafe(_PASSWORD_BYTES)
    # Kept before it is used: an account with a password that nobody knows would lock its owner out.
    write_secret(home.password_file, password)
    ensure_first_account(settings.model_copy(update={"admin_password": SecretStr(password)}), database)
    if verify(database, settings.admin_username, password) is None:
        home.password_file.unlink()  # there are accounts already, or the password was changed since
        return None
    return None if known else password
