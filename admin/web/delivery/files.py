"""The stored objects of an item, as they are: behind the account's check, or by a link that ends soon.

No key is taken from a request: it names an item and one of its files, and the item's row names the object.
"""

import hashlib
import threading
from collections.abc import Mapping
from pathlib import PurePosixPath

from flask import Response, redirect, request
from flask.typing import ResponseReturnValue

from admin.web.context import held_answers, who
from shared.errors import Busy, ObjectMissing
from shared.jobs.records import Item
from shared.jobs.state import JobKind
from shared.portable import attachment_names, portable_name
from shared.services import Services
from shared.store.references import extension_of_source

LINK_SECONDS = 300
_PNG = "image/png"
_BYTES = "application/octet-stream"
# A source may have hundreds of megabytes, all in memory while it is read: so many at once. The server has as many
# threads for downloads, see admin.serving.lanes.
_READING = threading.BoundedSemaphore(4)
# Up to here the server takes an answer in whole, however slowly it is read: waitress' outbuf_high_watermark.
_HELD_FROM = 8 * 2**20


def files_of(item: Item, kind: JobKind) -> Mapping[str, tuple[str, str]]:
    """Return key and content type of what is there of an item: `source`, `mask`, `probability`, `truth`, `correction`.

    Somebody's upload is never given as an image: a browser would show what may be no image at all.
    """
    source_type = _PNG if kind is JobKind.SYNTHETIC else _BYTES
    keys = {
        "source": (item.source_key, source_type),
        "mask": (item.mask_key, _PNG),
        "probability": (item.probability_key, _PNG),
        "truth": (item.truth_key, _PNG),
        "correction": (item.review.correction_key, _PNG),
    }
    return {name: (key, media) for name, (key, media) in keys.items() if key is not None}


def send(services: Services, item: Item, name: str, key: str, media: str) -> ResponseReturnValue:
    """Answer with the object, or with a link to it that holds for LINK_SECONDS where S3_PUBLIC_URL is set.

    A download that was cut goes on: a request may ask for a part, as long as the object is the same.

    Raises:
        ObjectMissing: the store has lost it.
        Busy: as many files are being read as may be, or the account has as many downloads going on as it may.
        RequestedRangeNotSatisfiable: it asks for a part that is not there.
    """
    suffix = extension_of_source(key)
    ending = suffix if name == "source" else f"-{name}{suffix}"
    filename = portable_name(PurePosixPath(item.path).stem, ending=ending)
    link = services.store.link(key, seconds=LINK_SECONDS, filename=filename, content_type=media)
    if link is not None:
        if not services.store.exists(key):
            raise ObjectMissing(f"{key} is gone")
        return redirect(link, 302)
    if not _READING.acquire(blocking=False):
        raise Busy("as many files are being read as may be at once")
    try:
        data = services.store.get(key)
    finally:
        _READING.release()
    answer = Response(data, mimetype=media)
    answer.headers.set("Content-Disposition", "attachment", **attachment_names(filename))
    answer.set_etag(_version(item, name))
    answer.make_conditional(request, accept_ranges=True, complete_length=len(data))
    if len(data) >= _HELD_FROM:
        answer.call_on_close(held_answers().enter(who()))
    return answer


def _version(item: Item, name: str) -> str:
    """A word that changes with the object: a source stays as it was uploaded, all others are of a result."""
    if name == "correction":
        return hashlib.sha256(str(item.review.correction_key).encode()).hexdigest()[:32]
    result = "" if name == "source" and item.synthesis is None else item.finished_at
    return hashlib.sha256(f"{item.id} {name} {result}".encode()).hexdigest()[:32]
