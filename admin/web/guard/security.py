"""What every answer carries against scripts of others, framing and caching; the session's cookie; limits on bodies."""

import ipaddress
import logging
import re
from datetime import timedelta

from flask import Blueprint, Flask, current_app, request
from flask.sessions import SecureCookieSessionInterface
from flask_wtf.csrf import CSRFProtect
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.wrappers import Response

from shared.config import Settings
from shared.errors import ConfigurationError

MIN_SECRET_KEY_LENGTH = 32  # characters
_MIN_DISTINCT_CHARACTERS = 8  # different ones; 32 random hexadecimal digits have fewer once in a million times
_PLACEHOLDER = re.compile(r"change.?me|secret.?key|example|password|default|insecure", re.IGNORECASE)
LOGIN_LASTS = timedelta(hours=12)
FORM_BYTES = 2**20
"""The most that a form without files may have."""
# These two take more, up to MAX_UPLOAD_BYTES.
_UPLOADS = frozenset({"submit.upload", "api.submit_uploaded"})

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
# Over https alone: over http browsers must ignore it. No includeSubDomains: those are not ours to decide about.
TRANSPORT_SECURITY = "max-age=31536000"

log = logging.getLogger(__name__)


class _SessionInterface(SecureCookieSessionInterface):
    """Flask's signed cookie, Secure whenever the request came over https."""

    def get_cookie_secure(self, app: Flask) -> bool:
        return super().get_cookie_secure(app) or request.is_secure


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
        SESSION_COOKIE_NAME="delineate",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        # A poll each second must not prolong a session that nobody looks at.
        SESSION_REFRESH_EACH_REQUEST=False,
        PERMANENT_SESSION_LIFETIME=LOGIN_LASTS,
        # Flask-Login's notion of a fresh session is not used; a changed network must not log anybody out.
        SESSION_PROTECTION=None,
        # A form's token holds as long as the session that it belongs to.
        WTF_CSRF_TIME_LIMIT=None,
    )
    app.session_interface = _SessionInterface()
    if settings.admin_trusted_proxies:
        count = settings.admin_trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=count, x_proto=count, x_host=count)  # type: ignore[method-assign]
    app.before_request(_limit_body)
    app.after_request(_add_headers)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def protect_forms(app: Flask, *, exempt: Blueprint) -> None:
    """Refuse every changing request without this session's token, but for a blueprint that looks at no session."""
    CSRFProtect(app).exempt(exempt)


def _limit_body() -> None:
    if request.endpoint not in _UPLOADS:
        request.max_content_length = min(FORM_BYTES, current_app.config["MAX_CONTENT_LENGTH"])


def _add_headers(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if request.is_secure:
        response.headers.setdefault("Strict-Transport-Security", TRANSPORT_SECURITY)
    # Pages hold what only their reader may see; images and static files say themselves how long they keep.
    response.headers.setdefault("Cache-Control", "no-store")
    return response
