"""An id for each request: on its answer, in problem details, and on every line of the log that it leaves."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Flask, request
from uuid_utils.compat import uuid7
from werkzeug.wrappers import Response

from shared.logs import log_ids

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

HEADER = "X-Request-ID"
_SENT = "HTTP_X_REQUEST_ID"
_KEPT = "delineate.request_id"
# Of a proxy or a client that has ids of its own; anything else could be read as something else in a log.
_USABLE = re.compile(r"[A-Za-z0-9._-]{1,64}")


def init_app(app: Flask) -> None:
    """Give each request an id. Goes after whatever else wraps the app, and before what answers."""
    app.wsgi_app = _Identified(app.wsgi_app)  # type: ignore[method-assign]
    app.after_request(_tell)


def request_id() -> str:
    """Return the id of this request."""
    return str(request.environ[_KEPT])


def _tell(response: Response) -> Response:
    response.headers[HEADER] = request_id()
    return response


class _Identified:
    def __init__(self, app: "WSGIApplication") -> None:
        self._app = app

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        sent = environ.get(_SENT, "")
        environ[_KEPT] = identity = sent if _USABLE.fullmatch(sent) else str(uuid7())
        with log_ids(request=identity):
            return self._app(environ, start_response)
