"""Which pages of other origins may use the API from a browser: those of ALLOWED_ORIGINS, by default none.

The API takes tokens and looks at no cookie, so credentials are never allowed: neither with `*` nor for a named origin.
"""

import re
from collections.abc import Callable

from flask import Flask, request
from werkzeug.wrappers import Response

from shared.config import Settings
from shared.errors import ConfigurationError

API_PREFIX = "/api/"
_ANY = "*"
_ORIGIN = re.compile(r"https?://(\[[0-9a-f:]+\]|[a-z0-9.-]+)(:\d{1,5})?")
_EXPOSED = "ETag, Idempotency-Replayed, Location, Preference-Applied, Retry-After, X-Request-ID"
_PREFLIGHT = {
    "Access-Control-Allow-Methods": "GET, POST, PUT, DELETE",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, If-None-Match, Prefer, X-Request-ID",
    "Access-Control-Max-Age": "600",
}


def init_app(app: Flask, settings: Settings) -> None:
    """Add the headers to answers under `/api/`, if any origin is allowed.

    Raises:
        ConfigurationError: ALLOWED_ORIGINS holds something that is no origin.
    """
    origins = frozenset(settings.allowed_origins.replace(",", " ").split())
    for origin in origins - {_ANY}:
        if not _ORIGIN.fullmatch(origin):
            raise ConfigurationError(
                f"ALLOWED_ORIGINS has {origin!r}: write origins as https://example.org, in lower case, without a path"
            )
    if origins:
        app.after_request(_adder(origins))


def _adder(origins: frozenset[str]) -> Callable[[Response], Response]:
    def add(response: Response) -> Response:
        if not request.path.startswith(API_PREFIX):
            return response
        allowed = _ANY if _ANY in origins else request.headers.get("Origin", "")
        if _ANY not in origins:
            response.vary.add("Origin")  # a cache must not give one origin the answer for another
        if allowed in origins:
            response.headers["Access-Control-Allow-Origin"] = allowed
            response.headers["Access-Control-Expose-Headers"] = _EXPOSED
            if request.method == "OPTIONS":
                response.headers.update(_PREFLIGHT)
        return response

    return add
