"""What a request works with: the services that `create_app` opened, and the account that is logged in."""

from typing import cast

from flask import current_app, g

from admin.accounts import Account
from shared.services import Services

EXTENSION = "delineate"


def services() -> Services:
    """Return the services of the app that handles this request."""
    return cast(Services, current_app.extensions[EXTENSION])


def account() -> Account | None:
    """Return who is logged in; None for a stranger."""
    return cast("Account | None", g.get("account"))
