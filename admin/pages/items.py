"""The page of one item, and the pictures of items."""

import hashlib
import threading
from collections.abc import Callable
from contextlib import nullcontext, suppress
from typing import cast
from uuid import UUID

from flask import Blueprint, Response, abort, current_app, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from admin.pages.item_lists import asked
from admin.pages.opened_items import OpenedItems
from admin.pages.picture_cache import PictureCache
from admin.pages.pictures import SIZES, THUMBNAIL, Picture, draw, draw_preview, is_shown, keys_of, placeholder
from admin.pages.pictures import preview as preview_of
from admin.web.context import OPENED, channel_of, decoders, services, who, whole_pictures
from admin.web.measured_objects import can_be_measured
from shared.errors import ImageError, ObjectMissing, UsageError
from shared.images.regions import MAX_SIDE, Region
from shared.jobs.item_search import ItemSearch
from shared.jobs.records import Item
from shared.store import keys

_A_DAY = 86400  # seconds
_STEPS = frozenset(2**power for power in range(13))
# An image of the largest size takes some 300 MB while it is drawn: so many at once.
DRAWN_AT_ONCE = 2
_drawing = threading.BoundedSemaphore(DRAWN_AT_ONCE)
# A thumbnail has some 60 kB: those of the last thousand images.
_kept = PictureCache(64 * 2**20)

blueprint = Blueprint("items", __name__, url_prefix="/items")


@blueprint.get("/<uuid:item_id>")
def item(item_id: UUID) -> ResponseReturnValue:
    """One item: all its pictures and numbers."""
    found = item_or_404(item_id)
    words, address = asked()
    search = ItemSearch(services().database, found.job_id, words.filter, words.order)
    before, after = search.neighbours(found)
    return render_template(
        "item.html",
        item=found,
        job=services().repository.job(found.job_id),
        pictures=[picture for picture in Picture if keys_of(found, picture)] if is_shown(found) else [],
        before=before[0] if before else None,
        after=after[0] if after else None,
        words=address,
        can_be_measured=can_be_measured(found),
    )


@blueprint.get(
    "/<uuid:item_id>/<any(source, mask, probability, overlay, truth, correction, corrected, errors):name>.png"
)
def picture(item_id: UUID, name: str) -> ResponseReturnValue:
    """One picture of an item, made on the fly; `size` is one of SIZES, or missing for the whole."""
    found = item_or_404(item_id)
    wanted = Picture(name)
    keys = keys_of(found, wanted)
    size = request.args.get("size", type=int)
    if keys is None or (size is None) != ("size" not in request.args) or (size is not None and size not in SIZES):
        abort(404)
    answer = Response(mimetype="image/png")
    etag = f"{version(found)}-{wanted}-{size or 'full'}"
    if _is_known(answer, found, etag):
        return answer
    if not is_shown(found):
        answer.data = placeholder()
        return answer

    def make(objects: tuple[bytes, ...]) -> bytes:
        return draw(wanted, objects, size=size, decode=decoders().decode, channel=channel_of(found))

    return filled(answer, lambda: drawn(make, keys, size, name=f"{found.id} {etag}"), f"{wanted} of item {found.id}")


@blueprint.get("/<uuid:item_id>/preview.webp")
def preview(item_id: UUID) -> ResponseReturnValue:
    """A small picture of a result: made when somebody first looks, and kept in the object store."""
    found = item_or_404(item_id)
    if found.source_key is None or found.mask_key is None:
        abort(404)
    answer = Response(mimetype="image/webp")
    if _is_known(answer, found, f"{version(found)}-preview"):
        return answer
    return filled(answer, lambda: _preview(found), f"preview of item {found.id}")


def filled(answer: Response, make: Callable[[], bytes], what: str) -> Response:
    """Return the answer with its picture or, where that cannot be made, a placeholder that nobody keeps."""
    try:
        answer.data = make()
    except (ImageError, ObjectMissing) as error:
        current_app.logger.info("no picture %s: %s", what, error, extra={"action": "no_picture"})
        return Response(placeholder(), mimetype="image/png", headers={"Cache-Control": "private, no-store"})
    return answer


def _preview(item: Item) -> bytes:
    key = keys.preview(item.job_id, item.id, version(item))
    if (kept := _kept.get(key)) is not None:
        return kept
    with suppress(ObjectMissing):
        _kept.put(key, made := services().store.get(key))
        return made
    with _drawing:
        if is_shown(item):
            objects = tuple(services().store.get(each) for each in keys_of(item, Picture.OVERLAY) or ())
            made = draw_preview(objects, decode=decoders().decode, channel=channel_of(item))
        else:
            opened = cast(OpenedItems, current_app.extensions[OPENED])
            made = preview_of(
                *opened.small(f"{item.id} {version(item)}", item, channel_of(item), services().store, THUMBNAIL)
            )
    services().store.put(key, made, "image/webp")
    _kept.put(key, made)
    return made


@blueprint.get("/<uuid:item_id>/region")
def region(item_id: UUID) -> ResponseReturnValue:
    """A part of all planes of an item as samples, for the viewer; see `shared.images.regions`.

    `x`, `y`, `width` and `height` are pixels of the image, `step` how many of them make a sample to each side. Without
    them it is the whole image, as coarse as it has to be.
    """
    found = item_or_404(item_id)
    if found.source_key is None and found.mask_key is None:
        abort(404)
    wanted = _region()
    answer = Response(mimetype="application/octet-stream")
    etag = hashlib.sha256(f"{version(found)} {request.query_string.decode()}".encode()).hexdigest()[:24]
    if _is_known(answer, found, etag):
        return answer
    opened = cast(OpenedItems, current_app.extensions[OPENED])
    try:
        answer.data = opened.region(f"{found.id} {version(found)}", found, channel_of(found), services().store, wanted)
    except (ImageError, ObjectMissing) as error:
        current_app.logger.info("no region of item %s: %s", found.id, error, extra={"action": "no_picture"})
        raise NotFound from error
    # It is for browsers alone, all of which take it so.
    answer.content_encoding = "gzip"
    return answer


def _region() -> Callable[[int, int], Region]:
    """What the address asks for, once the image's size is known.

    Raises:
        UsageError: it is no part of an image.
    """
    names = ("x", "y", "width", "height", "step")
    if not any(name in request.args for name in names):
        return Region.whole
    column, row, width, height, step = (request.args.get(name, type=int) for name in names)
    if column is None or row is None or width is None or height is None or step is None:
        raise UsageError("give x, y, width, height and step together, as whole numbers")

    def within(rows: int, columns: int) -> Region:
        part = Region(row, column, min(height, rows - row), min(width, columns - column), step)
        fits = 0 <= row < rows and 0 <= column < columns and part.height > 0 and part.width > 0
        if not fits or step not in _STEPS or max(part.shape) > MAX_SIDE:
            raise UsageError(
                f"this part is not in the image of {columns} × {rows} px, or it has more than {MAX_SIDE} samples a "
                "side: ask for a part of it, or with a larger step, which is a power of two"
            )
        return part

    return within


def _is_known(answer: Response, item: Item, etag: str) -> bool:
    """Let the answer be kept, and say whether who asks has it already."""
    answer.set_etag(etag)
    answer.cache_control.private = True
    if request.args.get("v") == version(item):
        answer.cache_control.max_age = _A_DAY
        answer.cache_control.immutable = True
    else:
        answer.cache_control.no_cache = True
    if request.if_none_match.contains(etag):
        answer.status_code = 304
    return answer.status_code == 304


def version(item: Item) -> str:
    """A word that changes with the item's result, so that a picture can be kept until then."""
    return hashlib.sha256(f"{item.state} {item.finished_at} {item.review.correction_key}".encode()).hexdigest()[:12]


def item_or_404(item_id: UUID) -> Item:
    """Return an item by its id, or answer that there is none."""
    found = services().repository.item(str(item_id))
    if found is None:
        abort(404)
    return found


def drawn(make: Callable[[tuple[bytes, ...]], bytes], keys: tuple[str, ...], size: int | None, *, name: str) -> bytes:
    """Return a picture as it was kept, or have it made of its objects; those of whole images are not kept.

    Raises:
        Busy: as many whole images are being drawn as may be at once.
    """
    if (kept := _kept.get(name)) is not None:
        return kept
    with whole_pictures().inside(who()) if size is None else nullcontext(), _drawing:
        # Somebody who asked for it first may have drawn it meanwhile.
        if (kept := _kept.get(name)) is not None:
            return kept
        objects = tuple(services().store.get(key) for key in keys)
        picture = make(objects)
    if size is not None:
        _kept.put(name, picture)
    return picture
