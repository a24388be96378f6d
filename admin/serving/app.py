"""The admin's web application: pages under `/`, the HTTP API under `/api/v1`, health under `/health`."""

import hashlib
import time
from datetime import timedelta
from functools import cache
from pathlib import Path

from flask import Flask, current_app, url_for

from admin import api
from admin.api import docs
from admin.domain.progress import ProgressMeter
from admin.pages import (
    account,
    bulk,
    cloning,
    compare,
    events,
    filling,
    formats,
    items,
    jobs,
    models,
    object_table,
    overview,
    review,
    submit,
    tokens,
    views,
    webhooks,
)
from admin.pages.opened_items import OpenedItems
from admin.pages.pictures import SHOWN_PIXELS
from admin.serving import errors
from admin.web import compression, health, metrics, refusals, request_ids
from admin.web.context import DECODERS, EXTENSION, HELD, METER, OPENED, WHOLE_PICTURES
from admin.web.delivery.gates import Gate
from admin.web.delivery.limits import MAX_FILES
from admin.web.guard import auth, cors, csrf, hosts, security
from shared.config import Settings
from shared.health import Readiness
from shared.images.decoded import DecodeLimits
from shared.images.isolated import Decoders
from shared.services import Services, connect

# A small form beside the files of an upload.
_OTHER_FORM_PARTS = 20


def create_app(settings: Settings, services: Services | None = None) -> Flask:
    """Return the application; `services` are opened from the settings unless given. Nothing is contacted yet.

    Raises:
        ConfigurationError: SECRET_KEY is missing or too short, or an address cannot be one.
    """
    app = Flask("admin")  # whose folder holds templates and static files
    compression.init_app(app)  # first, and so asked last
    security.init_app(app, settings)
    request_ids.init_app(app)
    app.config.update(
        MAX_CONTENT_LENGTH=settings.max_upload_bytes,
        MAX_FORM_PARTS=MAX_FILES + _OTHER_FORM_PARTS,
        # Their addresses carry a digest of their content, see `_asset`.
        SEND_FILE_MAX_AGE_DEFAULT=timedelta(days=365),
    )
    services = services or connect(settings)
    app.extensions[EXTENSION] = services
    app.extensions[health.READINESS] = readiness = Readiness(services)
    # Nothing is started before the first picture is asked for.
    app.extensions[DECODERS] = Decoders(
        DecodeLimits(1, settings.max_image_side, SHOWN_PIXELS, settings.max_source_bytes),
        seconds=settings.decode_seconds,
        processes=items.DRAWN_AT_ONCE,
    )
    app.extensions[OPENED] = OpenedItems(
        app.extensions[DECODERS].decode,
        DecodeLimits(1, settings.max_image_side, max_bytes=settings.max_source_bytes),
        settings.decode_seconds,
    )
    app.extensions[METER] = ProgressMeter()
    app.extensions[HELD] = Gate(of_each=2, in_all=3)  # of four threads, see admin.serving.lanes
    app.extensions[WHOLE_PICTURES] = Gate(of_each=1, in_all=1)  # of two that are drawn at once
    metrics.init_app(app, services, readiness)
    errors.init_app(app)
    hosts.init_app(app, settings)
    auth.init_app(app)
    refusals.init_app(app)
    csrf.init_app(app, exempt=api.blueprint)
    cors.init_app(app, settings)
    for module in (
        jobs,
        items,
        object_table,
        review,
        compare,
        models,
        events,
        bulk,
        views,
        overview,
        submit,
        filling,
        cloning,
        tokens,
        webhooks,
        account,
        health,
        api,
        docs,
    ):
        app.register_blueprint(module.blueprint)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters.update(formats.FILTERS)
    app.jinja_env.globals.update(asset=_asset, picture_version=items.version, clock=time.time)
    return app


def _asset(name: str) -> str:
    """The address of a static file, another one whenever its content changes."""
    return url_for("static", filename=name, v=_digest(name))


@cache
def _digest(name: str) -> str:
    return hashlib.sha256((Path(str(current_app.static_folder)) / name).read_bytes()).hexdigest()[:10]
