"""What a request works with: what `create_app` opened, and the account that is logged in."""

from typing import cast

from flask import abort, current_app, g

from admin.domain.accounts import Account
from admin.domain.progress import ProgressMeter
from admin.domain.roles import Role
from admin.web.delivery.gates import Gate
from shared.images.isolated import Decoders
from shared.jobs.records import Item
from shared.jobs.reviews import Reviews
from shared.services import Services

EXTENSION = "delineate"
DECODERS = "delineate-decoders"
METER = "delineate-progress-meter"
HELD = "delineate-held-answers"
WHOLE_PICTURES = "delineate-whole-pictures"
OPENED = "delineate-opened-items"


def services() -> Services:
    """Return the services of the app that handles this request."""
    return cast(Services, current_app.extensions[EXTENSION])


def decoders() -> Decoders:
    """Return the processes that decode images for the app that handles this request."""
    return cast(Decoders, current_app.extensions[DECODERS])


def channel_of(item: Item) -> str:
    """Return what the item's job takes of channels, see `shared.images.channel_choice`."""
    return services().repository.channel(item.job_id)


def meter() -> ProgressMeter:
    """Return what tells how fast jobs run, for all requests of the app alike."""
    return cast(ProgressMeter, current_app.extensions[METER])


def held_answers() -> Gate:
    """Return what bounds the answers that hold a thread for as long as their reader takes."""
    return cast(Gate, current_app.extensions[HELD])


def whole_pictures() -> Gate:
    """Return what bounds the pictures that are drawn in full."""
    return cast(Gate, current_app.extensions[WHOLE_PICTURES])


def reviews() -> Reviews:
    """Return the grades and corrections of the app that handles this request."""
    return Reviews(services().database)


def account() -> Account | None:
    """Return who is logged in; None for a stranger."""
    return cast("Account | None", g.get("account"))


def who() -> str:
    """Return the name of the account that asks; "" for a stranger."""
    known = account()
    return known.name if known else ""


def submitter() -> str:
    """Return whom a job of this request is submitted by, for people."""
    return f"{who()} (API)" if who() else "API"


def account_name() -> str:
    """Return the name of the account, on pages that strangers do not get."""
    known = account()
    if known is None:
        abort(401)
    return known.name


def role() -> Role:
    """Return what may be done here: for a token that can be less than its account may do."""
    return cast(Role, g.role)
