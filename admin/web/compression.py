"""Text leaves compressed with gzip, where the browser takes it and it is worth it; pictures and archives as they are.

Somebody who can see an answer's size and choose a part of its text could guess the rest of it. No other site can: the
session's cookie is SameSite, and programs show a token that no browser sends by itself.
"""

from functools import lru_cache

from flask import Flask, request
from isal import igzip
from werkzeug.wrappers import Response

_TEXT = ("text/", "application/json", "application/javascript", "image/svg+xml")
_LEAST_BYTES = 600  # below it the headers are most of the answer
_LEVEL = 2  # of 3; a page of 60 kB in some tenths of a millisecond


def init_app(app: Flask) -> None:
    """Compress answers. Goes before what sets headers, so that it is asked after it."""
    app.after_request(_compress)


def _compress(response: Response) -> Response:
    if response.status_code != 200 or not (response.mimetype or "").startswith(_TEXT):
        return response
    response.vary.add("Accept-Encoding")
    is_file = response.direct_passthrough
    if (
        "Content-Encoding" in response.headers
        or "Content-Range" in response.headers
        or (response.is_streamed and not (is_file and request.endpoint == "static"))
        or request.method != "GET"
        or not request.accept_encodings["gzip"]
    ):
        return response
    response.direct_passthrough = False
    body = response.get_data()
    if len(body) < _LEAST_BYTES:
        return response
    response.set_data(_file(body) if is_file else igzip.compress(body, _LEVEL))
    response.headers["Content-Encoding"] = "gzip"
    etag, _is_weak = response.get_etag()
    if etag is not None:
        response.set_etag(etag, weak=True)  # of the same meaning, in other bytes
    response.headers.remove("Accept-Ranges")
    return response


@lru_cache(maxsize=64)
def _file(body: bytes) -> bytes:
    return igzip.compress(body, 3)
