"""The Idempotency-Key of a request."""

import re

from flask import request

from admin.api.operations import InvalidRequest
from admin.api.schemas import FieldProblem
from admin.domain.request_keys import MAX_KEY_LENGTH

KEY_HEADER = "Idempotency-Key"
KEY_PATTERN = r"^[!-~]+$"


def idempotency_key() -> str | None:
    """Return the key under which a request is made once; None where it has none.

    Raises:
        InvalidRequest: it is no key.
    """
    key = request.headers.get(KEY_HEADER)
    if key is not None and (len(key) > MAX_KEY_LENGTH or not re.fullmatch(KEY_PATTERN[1:-1], key)):
        reason = f"give 1 to {MAX_KEY_LENGTH} visible ASCII characters"
        raise InvalidRequest([FieldProblem(field=KEY_HEADER, reason=reason)])
    return key
