"""Forms come from our own pages: each carries its session's token, and over https names where it was sent from.

What fails is told by its cause: most of the time a proxy, a browser's setting or a second tab is behind it.
"""

from urllib.parse import urlsplit

from flask import Blueprint, Flask, current_app, request
from flask_wtf.csrf import CSRFError, CSRFProtect

from admin.web.guard.security_log import note_refusal

_CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_NO_REFERRER = "the browser does not say from where"
_FOREIGN = "sent from elsewhere"


def init_app(app: Flask, *, exempt: Blueprint) -> None:
    """Refuse every changing request that is not from our own forms, but for a blueprint that looks at no session."""
    app.config["WTF_CSRF_SSL_STRICT"] = False  # `_require_own_origin` knows more than the referrer
    CSRFProtect(app).exempt(exempt)
    app.before_request(_require_own_origin)


def explanation(error: CSRFError) -> str:
    """Return what to do about a form that was refused, and write it down."""
    cause, advice = _cause(str(error.description))
    note_refusal("form_refused", f"form of {request.path!r}", outcome=cause)
    return advice


def _require_own_origin() -> None:
    """Over https a network's attacker may have planted cookies, and so a token, by http: the origin tells them apart.

    Raises:
        CSRFError: it is another's, or not told at all.
    """
    if request.method not in _CHANGING or not request.is_secure or request.blueprint == "api" or not request.endpoint:
        return
    # Browsers alone can set it, and say so of the address that they see themselves, whatever a proxy makes of Host.
    said = request.headers.get("Sec-Fetch-Site")
    if said is not None:
        if said != "same-origin":
            raise CSRFError(_FOREIGN)
        return
    sent_from = request.headers.get("Origin") or request.referrer
    if not sent_from or sent_from == "null":
        raise CSRFError(_NO_REFERRER)
    if urlsplit(sent_from)[:2] != ("https", request.host):
        raise CSRFError(f"{_FOREIGN}: {sent_from}")


def _cause(description: str) -> tuple[str, str]:
    """Return a word for the log and a sentence for whoever sent the form."""
    if description == _NO_REFERRER:
        return "no referrer", (
            "Your browser does not say from which page the form was sent, which is needed over https. Allow it to send "
            "the referrer to this site, or use another browser."
        )
    if description.startswith(_FOREIGN):
        sent_from = urlsplit(description.partition(": ")[2]).netloc or "another site"
        return f"sent from {sent_from[:100]}, not from {request.host[:100]}", (
            f"The form comes from {sent_from[:100]}, but the admin was asked for as {request.host[:100]}. If both are "
            "this site, its proxy passes on the wrong address: nginx needs `proxy_set_header Host $http_host`; "
            "docs/access.md has the whole of it."
        )
    if not _sent_cookie():
        return "no cookie", (
            "Your browser sent no cookie back. Allow cookies for this site, reload the page and try again."
        )
    return "form of another session", (
        "The form is too old: it was opened before the last login or logout. Go back, reload the page and try again."
    )


def _sent_cookie() -> bool:
    interface = current_app.session_interface
    return interface.get_cookie_name(current_app) in request.cookies
