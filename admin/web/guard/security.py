"""What every answer carries against scripts of others, framing and caching; the session's cookie; limits on bodies."""

import hmac
import logging
import re
from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING

from flask import Flask, current_app, has_request_context, request
from flask.sessions import SecureCookieSessionInterface
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.wrappers import Response

from admin.domain.sessions import LASTS_SECONDS
from admin.web.guard.network import is_loopback
from shared.config import Settings
from shared.errors import ConfigurationError

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

MIN_SECRET_KEY_LENGTH = 32  # characters
_MIN_DISTINCT_CHARACTERS = 8  # different ones; 32 random hexadecimal digits have fewer once in a million times
_PLACEHOLDER = re.compile(r"change.?me|secret.?key|example|password|default|insecure", re.IGNORECASE)
FORM_BYTES = 2**20
"""The most that a form without files may have."""
UPLOADS = frozenset(
    {
        "submit.upload", "filling.add", "review.correct", "api.submit_uploaded", "api.predict", "api.predict_json",
        "api.put_correction", "api.add_to_job",
    }
)  # fmt: skip
"""The endpoints that take more, up to MAX_UPLOAD_BYTES."""

_HSTS = "DELINEATE_HSTS_SECONDS"
_MAKE_ONE = "make one with `python -c 'import secrets; print(secrets.token_hex(32))'`"

# No inline script or style, nothing from another host.
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer: over https the CSRF protection compares the referrer with the host.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

# Of a path below which a proxy serves us: nothing in it could lead to another host.
_PREFIX = re.compile(r"(/[A-Za-z0-9._~-]+)+")

log = logging.getLogger(__name__)


def cookie_names(app: Flask) -> tuple[str, str, str]:
    """Return the names of the session's cookie: over http, over https, over https below a path."""
    name = app.config["SESSION_COOKIE_NAME"]
    return name, f"__Host-{name}", f"__Secure-{name}"


class _SessionInterface(SecureCookieSessionInterface):
    """Flask's signed cookie, for our own path; over https Secure, and under a name that no http page can plant."""

    def get_cookie_secure(self, app: Flask) -> bool:
        return super().get_cookie_secure(app) or request.is_secure

    def get_cookie_path(self, app: Flask) -> str:
        return request.script_root or "/" if has_request_context() else super().get_cookie_path(app)

    def get_cookie_name(self, app: Flask) -> str:
        # Browsers take the prefix for the path / alone.
        if has_request_context() and request.is_secure:
            return cookie_names(app)[2 if request.script_root else 1]
        return cookie_names(app)[0]


def init_app(app: Flask, settings: Settings) -> None:
    """Configure sessions, CSRF and headers.

    Raises:
        ConfigurationError: SECRET_KEY is missing, too short, or one that can be guessed.
    """
    secret = settings.secret_key.get_secret_value() if settings.secret_key else ""
    if len(secret) < MIN_SECRET_KEY_LENGTH:
        raise ConfigurationError(f"SECRET_KEY needs {MIN_SECRET_KEY_LENGTH} random characters or more: {_MAKE_ONE}")
    if len(set(secret)) < _MIN_DISTINCT_CHARACTERS or _PLACEHOLDER.search(secret):
        raise ConfigurationError(f"SECRET_KEY is a placeholder, with which anybody could log in: {_MAKE_ONE}")
    if not is_loopback(settings.admin_host) and not settings.admin_trusted_proxies:
        log.warning(
            "ADMIN_HOST %s can be reached from elsewhere, and what is sent there is not encrypted: put a proxy with "
            "https before it and set ADMIN_TRUSTED_PROXIES", settings.admin_host, extra={"action": "not_encrypted"},
        )  # fmt: skip
    app.config.update(
        SECRET_KEY=secret,
        SESSION_COOKIE_NAME=_cookie_name(settings, secret),
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        # A poll each second must not prolong a session that nobody looks at.
        SESSION_REFRESH_EACH_REQUEST=False,
        PERMANENT_SESSION_LIFETIME=timedelta(seconds=LASTS_SECONDS),
        # Flask-Login's notion of a fresh session is not used; a changed network must not log anybody out.
        SESSION_PROTECTION=None,
        # A form's token holds as long as the session that it belongs to.
        WTF_CSRF_TIME_LIMIT=None,
    )
    app.session_interface = _SessionInterface()
    if settings.admin_trusted_proxies:
        count = settings.admin_trusted_proxies
        believing = ProxyFix(app.wsgi_app, x_for=count, x_proto=count, x_host=count, x_prefix=count)
        app.wsgi_app = _PlainPrefix(believing)  # type: ignore[method-assign]
    app.config[_HSTS] = settings.hsts_seconds
    app.before_request(_limit_body)
    app.after_request(_add_headers)


def _cookie_name(settings: Settings, secret: str) -> str:
    """Return a name of this stack's own: browsers send a cookie to every port of a host.

    It is the same for all replicas and after a restart, and tells nothing of the key.
    """
    # One .env, and so one key, may serve several embedded stacks; each has a folder of its own.
    of_home = "" if settings.database_url else str(settings.delineate_home)
    return f"delineate-{hmac.new(secret.encode(), f'cookie of {of_home}'.encode(), 'sha256').hexdigest()[:12]}"


class _PlainPrefix:
    """Drops an X-Forwarded-Prefix that is no path, or one that leads to another host."""

    def __init__(self, app: "WSGIApplication") -> None:
        self._app = app

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        prefix = environ.get("HTTP_X_FORWARDED_PREFIX", "").rstrip("/")
        if not _PREFIX.fullmatch(prefix) or "/." in prefix:
            environ.pop("HTTP_X_FORWARDED_PREFIX", None)
        else:
            environ["HTTP_X_FORWARDED_PREFIX"] = prefix
        return self._app(environ, start_response)


def _limit_body() -> None:
    # Files come as multipart/form-data alone; other forms are read into memory as a whole.
    if request.endpoint not in UPLOADS or request.mimetype != "multipart/form-data":
        request.max_content_length = min(FORM_BYTES, current_app.config["MAX_CONTENT_LENGTH"])


def _add_headers(response: Response) -> Response:
    if response.status_code == 304:
        # Nothing new to protect: the browser keeps the headers of what it has.
        response.headers.setdefault("Cache-Control", "no-store")
        return response
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    # Off unless asked for: it holds for the whole host, other ports and what runs there included. Browsers ignore it
    # over http. No includeSubDomains: those are not ours to decide about.
    if request.is_secure and (seconds := current_app.config[_HSTS]):
        response.headers.setdefault("Strict-Transport-Security", f"max-age={seconds}")
    # Pages hold what only their reader may see; images and static files say themselves how long they keep.
    response.headers.setdefault("Cache-Control", "no-store")
    return response
