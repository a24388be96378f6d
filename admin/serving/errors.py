"""Every error with one line that says what to do: as a page in the same design, to the API as problem details.

The traceback goes to the log.
"""

import errno
from collections.abc import Mapping

from flask import Flask, Response, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException

from admin.api.operations import InvalidRequest, problem
from admin.pages import submit
from admin.web import refusals
from admin.web.context import account
from admin.web.guard import csrf
from admin.web.guard.cors import API_PREFIX
from admin.web.guard.security_log import note_refusal
from admin.web.problems import ProblemKind
from admin.web.refusals import Refused
from shared.errors import Busy, ConfigurationError, IllegalTransition, JobNotFound, Retryable, UsageError

_TEXTS = {
    400: ("That did not work", "The request could not be understood. Go back and try again."),
    403: ("Not allowed", "This account may not do that."),
    404: ("Not here", "There is no such page. The job or image may have been removed."),
    401: ("Who is there?", "Send a valid token."),
    405: ("Not possible", "This address cannot be used in this way."),
    409: ("Not now", "Its state does not allow that."),
    413: ("Too much at once", ""),
    415: ("Of another type", "Send a body of the type that the API's document names."),
    422: ("Values that do not fit", ""),
    429: ("Too often", ""),
    416: ("Not that much", "The file has no such part. Ask for it from its beginning."),
    500: ("Something broke", "That is a fault of Delineate. The log of the admin says more."),
    503: ("Not at the moment", ""),
    504: ("Not yet", ""),
    507: ("No room", "The server has no room for temporary files just now. Nothing is lost; try again later."),
}
_RETRY_AFTER = {"Retry-After": "5"}
_KEPT_HEADERS = ("Allow", "Content-Range", "Retry-After", "WWW-Authenticate")


def init_app(app: Flask) -> None:
    """Register the handlers."""
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(CSRFError, _stale_form)
    app.register_error_handler(Retryable, _away)
    app.register_error_handler(OSError, _no_room)
    app.register_error_handler(ConfigurationError, _misconfigured)
    app.register_error_handler(JobNotFound, _no_job)
    app.register_error_handler(UsageError, _wrong_use)
    app.register_error_handler(IllegalTransition, _wrong_use)


def _for_program() -> bool:
    return request.path.startswith(API_PREFIX)


def _page(
    code: int, message: str = "", kind: ProblemKind | None = None, more: Mapping[str, str] | None = None
) -> str | Response:
    title, text = _TEXTS.get(code, ("That did not work", "Go back and try again."))
    if code == 404 and _for_program():
        text = "There is no such address, job or image."
    if _for_program():
        return problem(code, title, message or text, kind=kind, more=more)
    return render_template("error.html", code=code, title=title, message=message or text)


def _http_error(error: HTTPException) -> ResponseReturnValue:
    code = error.code or 500
    if 300 <= code < 400:
        return error
    if isinstance(error, InvalidRequest):
        return problem(code, "Values that do not fit", str(error.description), error.fields)
    if isinstance(error, Refused):
        return _page(code, str(error.description), error.kind, error.more), code, error.headers
    message = str(error.description) if code == 401 else ""
    if code == 413:
        message = _too_much()
    headers = [pair for pair in error.get_headers() if pair[0] in _KEPT_HEADERS]
    return _page(code, message), code, headers


def _too_much() -> str:
    limit = request.max_content_length
    if limit is not None and (request.content_length is None or request.content_length > limit):
        return refusals.too_large(limit).advice
    parts, text = request.max_form_parts, request.max_form_memory_size
    return f"A form may have {parts} parts, and those without a file {text:,} bytes in all: send less at once."


def _stale_form(error: CSRFError) -> ResponseReturnValue:
    if request.endpoint == "auth.log_in" and account() is not None:
        return redirect(url_for("overview.index"))  # a second tab: logged in already
    advice = csrf.explanation(error)
    if request.endpoint == "submit.synthetic" and account() is not None:
        return submit.sent_too_late(), 400
    return _page(400, advice), 400


def _no_room(error: OSError) -> ResponseReturnValue:
    """Tell of a disk without room for a form's files; any other error of the system's is a defect."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT) and "temporary directory" not in str(error):
        raise error
    current_app.logger.warning("no room for temporary files: %s", error.strerror, extra={"action": "no_room"})
    return _page(507), 507, _RETRY_AFTER


def _away(error: Retryable) -> ResponseReturnValue:
    if isinstance(error, Busy):
        note_refusal("busy", f"{request.method} {request.path!r}", outcome="503")
    else:
        current_app.logger.warning("%s", error, extra={"action": "service_away"})
    return _page(503, error.public_line()), 503, _RETRY_AFTER


def _misconfigured(error: ConfigurationError) -> ResponseReturnValue:
    # The reason names addresses: it is for the log.
    current_app.logger.error("%s", error, extra={"action": "misconfigured"})
    return _page(503, "Delineate is not set up completely. The log of the admin says what is missing."), 503


def _no_job(_error: JobNotFound) -> ResponseReturnValue:
    return _page(404, "There is no such job. It may have been removed."), 404


def _wrong_use(error: UsageError | IllegalTransition) -> ResponseReturnValue:
    code = 409 if _for_program() else 400
    return _page(code, f"{str(error)[:1].upper()}{str(error)[1:]}."), code
