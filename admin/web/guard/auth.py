"""Who asks: the session of a page, or the token of an API request. Everything asks, except what PUBLIC names.

What changes something, or leads to a form that does, needs an operator; `_FOR_VIEWERS` names what a viewer may change,
`FOR_REVIEWERS` what a reviewer may.
`admin.domain.sessions` and `admin.domain.tokens` say when a session and a token end.
"""

import math
from contextlib import suppress
from urllib.parse import urlsplit

import flask_login
from flask import Blueprint, Flask, abort, current_app, flash, g, redirect, render_template, request, session, url_for
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized
from werkzeug.wrappers import Response

from admin.domain import accounts, sessions, tokens
from admin.domain.roles import Role
from admin.web import live
from admin.web.context import EXTENSION, account, services
from admin.web.guard.auth_limiter import LoginLimiter
from admin.web.guard.cors import API_PREFIX
from admin.web.guard.rate_limit import RateLimiter
from admin.web.guard.security_log import note, note_refusal
from admin.web.refusals import Refused
from shared.errors import UsageError

# These never ask who is there, so that they answer while the database is away.
_WITHOUT_ACCOUNT = frozenset({"static", "health.overall", "health.live", "health.ready", "metrics.show"})

PUBLIC = _WITHOUT_ACCOUNT | {"auth.login", "auth.log_in", "api.document", "api_docs.page", "api_docs.problem"}
"""The endpoints that answer strangers."""

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_FOR_VIEWERS = frozenset(
    {
        "auth.log_in", "auth.logout", "compare.step", "tokens.create", "tokens.revoke", "account.change_password",
        "account.end_session", "account.end_others", "views.save", "views.delete",
    }
)  # fmt: skip
FOR_REVIEWERS = frozenset(
    {
        "api.put_grade", "api.put_correction", "api.delete_correction", "review.grade", "review.take", "review.undo",
        "review.correct",
    }
)  # fmt: skip
"""The endpoints that change no more than grades and corrections."""
_FOR_OPERATORS = frozenset(
    {"submit.upload", "submit.synthetic", "submit.preview", "submit.runs", "filling.page", "cloning.form", "api.demo"}
)
"""What is asked for by GET and yet is no matter for viewers: forms, and a job that is made."""
_FOR_REVIEWERS_AND_UP = FOR_REVIEWERS | {"review.desk"}
_LIMITER = "delineate-login-limiter"
_RATE_LIMITER = "delineate-rate-limiter"

blueprint = Blueprint("auth", __name__)


class _User:
    """Who shows a session's key, as Flask-Login wants to see it."""

    is_authenticated = True
    is_active = True
    is_anonymous = False

    def __init__(self, visitor: sessions.Visitor, key: str) -> None:
        self.visitor = visitor
        self._key = key

    def get_id(self) -> str:
        return self._key


def init_app(app: Flask) -> None:
    """Ask for an account before each request. Goes before the CSRF protection, which reads the whole body."""
    manager = flask_login.LoginManager()
    # Without its context processor: that one asks the database for the user, also on the page that says it is away.
    manager.init_app(app, add_context_processor=False)
    manager.user_loader(_load_user)
    app.extensions[_LIMITER] = LoginLimiter(app.extensions[EXTENSION].database)
    app.extensions[_RATE_LIMITER] = RateLimiter(app.extensions[EXTENSION].settings.api_requests_per_minute)
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
    name = request.form.get("name", "")[: accounts.MAX_NAME_LENGTH + 1].strip()
    wait = _limiter().admit(request.remote_addr or "", _askable(name))
    if wait > 0:
        note_refusal("login_limited", "login", account=name, outcome="too many attempts")
        page = render_template("login.html", name=name, error=_too_many(wait))
        return page, 429, {"Retry-After": str(math.ceil(wait))}
    known = accounts.verify(services().database, _askable(name), request.form.get("password", ""))
    if known is None:
        note_refusal("login_failed", "login", account=name, outcome="failed")
        return render_template("login.html", name=name, error="Name and password do not fit."), 401
    _limiter().succeeded(request.remote_addr or "", name)
    session.clear()  # nothing that was known before the login lives on in the session after it
    session.permanent = True  # not with the browser's window; the session's row says when it ends
    key = sessions.begin(
        services().database, name, address=request.remote_addr or "", browser=request.user_agent.string
    )
    session["_user_id"] = key  # Flask-Login's name for it
    note("login", "login", account=name)
    return redirect(_target())


@blueprint.post("/logout")
def logout() -> Response:
    """End the session: a copy of its cookie opens nothing any more."""
    if g.account is not None:
        with suppress(UsageError):  # it ended meanwhile
            sessions.end(services().database, g.session.id, user_name=g.account.name)
        note("logout", "logout")
    flask_login.logout_user()
    session.clear()
    flash("You are logged out.")
    answer = redirect(url_for("auth.login"))
    if request.is_secure:  # browsers take it over https alone
        answer.headers["Clear-Site-Data"] = '"cache"'  # thumbnails are kept for a day
    return answer


def password_error(password: str) -> str | None:
    """Return why a password that was asked for again, of whoever is logged in, is not accepted; None: it is right.

    Counted as a login is: whoever found an open session cannot try out passwords there.

    Raises:
        Busy: too many passwords are being checked.
    """
    known = account()
    if known is None:
        abort(403)
    address = request.remote_addr or ""
    wait = _limiter().admit(address, known.name)
    if wait > 0:
        note_refusal("password_limited", "password asked for again", outcome="too many attempts")
        return _too_many(wait)
    if accounts.verify(services().database, known.name, password) is None:
        note_refusal("password_refused", "password asked for again", outcome="failed")
        return "That is not your password."
    _limiter().succeeded(address, known.name)
    return None


def _limiter() -> LoginLimiter:
    limiter: LoginLimiter = current_app.extensions[_LIMITER]
    return limiter


def _askable(name: str) -> str:
    """A name that the database can be asked for; others are nobody's, and PostgreSQL takes no text with a NUL."""
    return name if name.isprintable() else ""


def _too_many(wait: float) -> str:
    minutes = math.ceil(wait / 60)
    return f"Too many attempts. Try again in {minutes} minute{'s' if minutes > 1 else ''}."


def local_target(target: str) -> str | None:
    r"""Return `target` if it is a path of this site, else None.

    Browsers take `\` for `/` and leave out tabs and newlines, so that `/\example.org` leads away.
    """
    if not target.startswith("/") or target[1:2] in ("/", "\\") or not target.isprintable() or "\\" in target:
        return None
    parts = urlsplit(target)
    return None if parts.scheme or parts.netloc else target


def _target() -> str:
    return local_target(request.args.get("next", "")) or url_for("overview.index")


def _load_user(key: str) -> _User | None:
    visitor = sessions.visitor(services().database, key)
    return None if visitor is None else _User(visitor, key)


def _require_account() -> Response | None:
    if request.endpoint in _WITHOUT_ACCOUNT:
        return None
    # A session opens no API, and a token no page: what a browser sends by itself is of no use against the API.
    refused = None
    if request.path.startswith(API_PREFIX):
        _require_token()
    else:
        refused = _require_session()
    if refused is None and g.account is not None and not _may(g.role):
        note_refusal("access_refused", f"{request.method} {request.path!r}", outcome="403")
        abort(403)
    return refused


def _may(role: Role) -> bool:
    """Whether what is asked for may be done in this role."""
    if request.endpoint in _FOR_REVIEWERS_AND_UP:
        return role.may_review
    if request.method in _SAFE_METHODS:
        return role.may_change or request.endpoint not in _FOR_OPERATORS
    return role.may_change or request.endpoint in _FOR_VIEWERS


def _log_change(response: Response) -> Response:
    """Write down who asked for which change, those that were refused included."""
    if account() is not None and request.method not in _SAFE_METHODS:
        asked = f"{request.method} {request.path!r}"  # quoted: a path may hold a newline
        note("change_asked", asked, outcome=str(response.status_code))
    return response


def _require_session() -> Response | None:
    user = flask_login.current_user
    g.account = user.visitor.account if user.is_authenticated else None
    g.session = user.visitor.session if user.is_authenticated else None
    g.role = g.account.role if g.account else None
    # No endpoint: a page that is not there, which strangers are told as well.
    if g.account is not None or request.endpoint is None or request.endpoint in PUBLIC:
        return None
    if request.headers.get(live.HEADER):
        # The page says so, and keeps what is typed into it.
        return Response(status=401)
    target = request.script_root + request.full_path.rstrip("?") if request.method == "GET" else None
    if session.get("_user_id"):
        flash("Your session has ended. Log in again.")
        session.pop("_user_id")
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
        note_refusal("token_refused", f"{request.method} {request.path!r}", outcome="401")
        raise Unauthorized("Send a valid token: `Authorization: Bearer …`.", www_authenticate=WWWAuthenticate("bearer"))
    g.account, g.role, g.token = bearer.account, bearer.role, bearer.token
    limiter: RateLimiter = current_app.extensions[_RATE_LIMITER]
    if seconds := limiter.wait(bearer.token.id):
        advice = f"This token asks more often than it may: wait for {seconds} s, and send less at once."
        raise Refused(429, advice, {"Retry-After": str(seconds)})
