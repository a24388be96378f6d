"""What every answer carries against scripts of others, framing and caching; and the session's cookie."""

from datetime import timedelta

from flask import Flask, request
from flask.sessions import SecureCookieSessionInterface
from flask_wtf.csrf import CSRFProtect
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.wrappers import Response

from shared.config import Settings
from shared.errors import ConfigurationError

SHORTEST_SECRET_KEY = 32  # characters
LOGIN_LASTS = timedelta(hours=12)

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


class _SessionInterface(SecureCookieSessionInterface):
    """Flask's signed cookie, Secure whenever the request came over https."""

    def get_cookie_secure(self, app: Flask) -> bool:
        return super().get_cookie_secure(app) or request.is_secure


def init_app(app: Flask, settings: Settings) -> None:
    """Configure sessions, CSRF and headers.

    Raises:
        ConfigurationError: SECRET_KEY is missing or too short.
    """
    secret = settings.secret_key.get_secret_value() if settings.secret_key else ""
    if len(secret) < SHORTEST_SECRET_KEY:
        raise ConfigurationError(
            f"SECRET_KEY needs {SHORTEST_SECRET_KEY} random characters or more: "
            "make one with `python -c 'import secrets; print(secrets.token_hex(32))'`"
        )
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
    app.after_request(_add_headers)


def protect_forms(app: Flask) -> None:
    """Refuse every changing request without this session's token."""
    CSRFProtect(app)


def _add_headers(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    # Pages hold what only their reader may see; images and static files say themselves how long they keep.
    response.headers.setdefault("Cache-Control", "no-store")
    return response
