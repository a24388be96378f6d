"""Who asks: the session of a page, or the token of an API request. Everything asks, except what PUBLIC names.

What changes something, or leads to a form that does, needs an operator; `_FOR_VIEWERS` names what a viewer may change.
"""

import math
from urllib.parse import urlsplit

import flask_login
from flask import Blueprint, Flask, abort, current_app, flash, g, redirect, render_template, request, session, url_for
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized
from werkzeug.wrappers import Response

from admin.domain import accounts, tokens
from admin.domain.accounts import Account
from admin.web.context import EXTENSION, account, services
from admin.web.guard.auth_limiter import LoginLimiter

# These never ask who is there, so that they answer while the database is away.
_WITHOUT_ACCOUNT = frozenset({"static", "health.live", "health.ready", "metrics.show"})

PUBLIC = _WITHOUT_ACCOUNT | {"auth.login", "auth.log_in", "api.document"}
"""The endpoints that answer strangers."""

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_FOR_VIEWERS = frozenset({"auth.log_in", "auth.logout", "tokens.create", "tokens.revoke"})
_FORMS_OF_OPERATORS = frozenset({"submit.upload", "submit.synthetic"})
_API = "api"
_LIMITER = "delineate-login-limiter"

blueprint = Blueprint("auth", __name__)


class _User:
    """An account, as Flask-Login wants to see it."""

    is_authenticated = True
    is_active = True
    is_anonymous = False

    def __init__(self, account: Account) -> None:
        self.account = account

    def get_id(self) -> str:
        return self.account.session_id


def init_app(app: Flask) -> None:
    """Ask for an account before each request. Goes before the CSRF protection, which reads the whole body."""
    manager = flask_login.LoginManager()
    # Without its context processor: that one asks the database for the user, also on the page that says it is away.
    manager.init_app(app, add_context_processor=False)
    manager.user_loader(_load_user)
    app.extensions[_LIMITER] = LoginLimiter(app.extensions[EXTENSION].database)
    app.before_request(_require_account)
    app.after_request(_log_change)
    app.context_processor(lambda: {"account": account(), "role": g.get("role")})
    app.register_blueprint(blueprint)


@blueprint.get("/login")
def login() -> str | Response:
    """The form."""
    if account() is not None:
        return redirect(_target())
    return render_template("login.html", name="")


@blueprint.post("/login")
def log_in() -> str | Response | tuple[str, int] | tuple[str, int, dict[str, str]]:
    """Check name and password."""
    limiter: LoginLimiter = current_app.extensions[_LIMITER]
    address = request.remote_addr or ""
    name = request.form.get("name", "")[: accounts.MAX_NAME_LENGTH + 1].strip()
    if not name.isprintable():
        name = ""  # nobody's, and PostgreSQL takes no text with a NUL
    wait = limiter.admit(address, name)
    if wait > 0:
        minutes = math.ceil(wait / 60)
        message = f"Too many attempts. Try again in {minutes} minute{'s' if minutes > 1 else ''}."
        page = render_template("login.html", name=name, error=message)
        return page, 429, {"Retry-After": str(math.ceil(wait))}
    known = accounts.verify(services().database, name, request.form.get("password", ""))
    if known is None:
        current_app.logger.warning("login failed from %s", address, extra={"action": "login_failed"})
        return render_template("login.html", name=name, error="Name and password do not fit."), 401
    limiter.succeeded(address, name)
    current_app.logger.info("login of %s from %s", name, address, extra={"action": "login"})
    session.clear()  # nothing that was known before the login lives on in the session after it
    session.permanent = True  # ends after PERMANENT_SESSION_LIFETIME, not with the browser's window
    flask_login.login_user(_User(known))
    return redirect(_target())


@blueprint.post("/logout")
def logout() -> Response:
    """End the session."""
    flask_login.logout_user()
    session.clear()
    flash("You are logged out.")
    return redirect(url_for("auth.login"))


def local_target(target: str) -> str | None:
    r"""Return `target` if it is a path of this site, else None.

    Browsers take `\` for `/` and leave out tabs and newlines, so that `/\example.org` leads away.
    """
    if not target.startswith("/") or target[1:2] in ("/", "\\") or not target.isprintable() or "\\" in target:
        return None
    parts = urlsplit(target)
    return None if parts.scheme or parts.netloc else target


def _target() -> str:
    return local_target(request.args.get("next", "")) or url_for("jobs.index")


def _load_user(session_id: str) -> _User | None:
    known = accounts.find_by_session(services().database, session_id)
    return None if known is None else _User(known)


def _require_account() -> Response | None:
    if request.endpoint in _WITHOUT_ACCOUNT:
        return None
    # A session opens no API, and a token no page: what a browser sends by itself is of no use against the API.
    refused = None
    if request.blueprint == _API:
        _require_token()
    else:
        refused = _require_session()
    if refused is None and g.account is not None and not g.role.may_change and _needs_operator():
        abort(403)
    return refused


def _needs_operator() -> bool:
    if request.method in _SAFE_METHODS:
        return request.endpoint in _FORMS_OF_OPERATORS
    return request.endpoint not in _FOR_VIEWERS


def _log_change(response: Response) -> Response:
    """Write down who asked for which change, those that were refused included."""
    known = account()
    if known is not None and request.method not in _SAFE_METHODS:
        asked = f"{request.method} {request.path!r}"  # quoted: a path may hold a newline
        ids = {"job": str(of_job)} if (of_job := (request.view_args or {}).get("job_id")) else {}
        extra = {"action": "change_asked", **ids}
        current_app.logger.info("%s by %s: %d", asked, known.name, response.status_code, extra=extra)
    return response


def _require_session() -> Response | None:
    user = flask_login.current_user
    g.account = user.account if user.is_authenticated else None
    g.role = g.account.role if g.account else None
    # No endpoint: a page that is not there, which strangers are told as well.
    if g.account is not None or request.endpoint is None or request.endpoint in PUBLIC:
        return None
    if request.headers.get("HX-Request"):
        # The page that polls is loaded afresh, and so leads to the login.
        return Response(status=401, headers={"HX-Refresh": "true"})
    target = request.full_path.rstrip("?") if request.method == "GET" else None
    return redirect(url_for("auth.login", next=target))


def _require_token() -> None:
    g.account = None
    # A browser asks beforehand, without a token, whether a page of another origin may ask; see `admin.web.guard.cors`.
    if request.endpoint in PUBLIC or request.method == "OPTIONS":
        return
    given = request.authorization
    shown = given.token if given is not None and given.type == "bearer" else None
    bearer = tokens.bearer(services().database, shown) if shown else None
    if bearer is None:
        raise Unauthorized("Send a valid token: `Authorization: Bearer …`.", www_authenticate=WWWAuthenticate("bearer"))
    g.account, g.role, g.token = bearer.account, bearer.role, bearer.token
