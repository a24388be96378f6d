"""JSON that need not be sent again: an ETag of what it says, and 304 for whoever has it."""

import hashlib

from flask import Response, request

PARTS = {
    206: "The part that the header `Range` asks for.",
    304: "It is still the one that `If-None-Match` names.",
    416: "The file has no such part.",
}
"""What answers of files may be, beside the whole: for `problems` of an operation."""

CACHING = "private, no-cache"
"""Kept by whoever asked, and asked for again each time."""


def json_answer(text: str, status: int = 200) -> Response:
    """Return JSON; to a GET with an ETag, and without a body where `If-None-Match` names it."""
    answer = Response(text, status, mimetype="application/json")
    if request.method in ("GET", "HEAD") and status == 200:
        answer.set_etag(hashlib.sha256(text.encode()).hexdigest()[:32])
        answer.headers["Cache-Control"] = CACHING
        answer.make_conditional(request)
    return answer
