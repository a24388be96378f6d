"""Parts of pages that are polled: a version of what is shown, and 304 without a body for whoever has it.

The version is made of the values that are shown, before anything is drawn, so that a poll at rest costs little more
than reading them.
"""

import hashlib
from collections.abc import Callable

from flask import Response, g, make_response, request

from admin.web.context import who
from shared.version import code_version

HEADER = "X-Live"
"""What a poll sends, so that nobody has to guess from its address."""


def version_of(*shown: object) -> str:
    """Return a word that changes with these values, with who looks and with the code; values with a true `repr`."""
    told = repr((code_version(), who(), g.get("role"), shown))
    return hashlib.blake2b(told.encode(errors="replace"), digest_size=8).hexdigest()


def live_part(version: str, draw: Callable[[], str]) -> Response:
    """Return a part of a page as `draw` makes it, or that it is still what the browser has."""
    is_known = request.if_none_match.contains_weak(version)
    answer = Response(status=304) if is_known else make_response(draw())
    answer.set_etag(version, weak=True)
    return answer
