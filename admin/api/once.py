"""The Idempotency-Key of a request."""

import hashlib
import re
from functools import partial

from flask import Response, request

from admin.api.operations import InvalidRequest
from admin.domain.request_keys import MAX_KEY_LENGTH
from admin.web.once import Make, submitted_once

KEY_HEADER, REPLAYED_HEADER = "Idempotency-Key", "Idempotency-Replayed"
KEY_PATTERN = r"^[!-~]+$"
_BLOCK_BYTES = 2**18


def submitted(kind: str, make: Make) -> tuple[str, bool]:
    """Return the id of the job that a request asks for, and whether it is new; under a key it is made once.

    Raises:
        InvalidRequest: the key is none.
        Refused: it was sent with another request, or its job is still being made.
    """
    key = idempotency_key()
    return submitted_once(kind, key, make, fingerprint=_fingerprint() if key else None)


def replayed(answer: Response, is_new: bool) -> Response:
    """Say in an answer that it is that of a request before."""
    if not is_new:
        answer.headers[REPLAYED_HEADER] = "true"
    return answer


def _fingerprint() -> str:
    """What a request asks for: its body, or the values and files of its form."""
    digest = hashlib.sha256(request.method.encode() + request.full_path.encode())
    if request.mimetype != "multipart/form-data":
        digest.update(request.get_data())
        return digest.hexdigest()
    for name, value in sorted(request.form.items(multi=True)):
        digest.update(repr((name, value)).encode())
    for name, file in request.files.items(multi=True):
        digest.update(repr((name, file.filename)).encode())
        content = hashlib.sha256()
        for block in iter(partial(file.stream.read, _BLOCK_BYTES), b""):
            content.update(block)
        digest.update(content.digest())
        file.stream.seek(0)
    return digest.hexdigest()


def idempotency_key() -> str | None:
    """Return the key under which a request is made once; None where it has none.

    Raises:
        InvalidRequest: it is no key.
    """
    key = request.headers.get(KEY_HEADER)
    if key is not None and (len(key) > MAX_KEY_LENGTH or not re.fullmatch(KEY_PATTERN[1:-1], key)):
        reason = f"give 1 to {MAX_KEY_LENGTH} visible ASCII characters"
        raise InvalidRequest.of(KEY_HEADER, reason)
    return key
