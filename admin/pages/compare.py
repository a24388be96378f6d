"""Two jobs over the same inputs, side by side: what changed, and pair by pair, those that differ most first."""

import time
from urllib.parse import quote
from uuid import UUID

from flask import Blueprint, Response, abort, render_template, request, url_for
from flask.typing import ResponseReturnValue

from admin.pages.items import drawn, filled, item_or_404, version
from admin.pages.pictures import SIZES, Picture, draw, is_shown
from admin.web.context import channel_of, decoders, services
from shared.errors import ImageError, ObjectMissing
from shared.images.agreement import agreement
from shared.jobs.comparisons import NEARLY_ALIKE, Compared, Comparison, Pair
from shared.jobs.records import Job

PAIRS_A_PAGE = 30
_CHOICES = 50  # newest jobs that are offered for a comparison
_SLICE_SECONDS = 0.4  # of comparing, each time that a page asks
_AT_ONCE = 16  # pairs that are written down together

blueprint = Blueprint("compare", __name__)


@blueprint.get("/compare")
def index() -> ResponseReturnValue:
    """The comparison of jobs `a` and `b`, or the choice of `b`."""
    first = _job("a")
    if "b" not in request.args:
        jobs = [job for job in services().repository.jobs(limit=_CHOICES + 1) if job.id != first.id]
        return render_template("compare_choose.html", a=first, jobs=jobs)
    second = _job("b")
    comparison = Comparison(services().database, first.id, second.id)
    after = _after()
    found = comparison.page(PAIRS_A_PAGE + 1, after)
    pairs, more = found[:PAIRS_A_PAGE], len(found) > PAIRS_A_PAGE
    return render_template(
        "compare.html",
        a=first,
        b=second,
        pairs=pairs,
        is_first=after is None,
        following=_cursor(pairs[-1]) if more else None,
        **_progress(comparison, first, second),
    )


@blueprint.post("/compare/step")
def step() -> ResponseReturnValue:
    """Compare a slice of what is not compared yet, and return how far it has come."""
    first, second = _job("a"), _job("b")
    comparison = Comparison(services().database, first.id, second.id)
    end = time.monotonic() + _SLICE_SECONDS
    while time.monotonic() < end and (waiting := comparison.waiting(_AT_ONCE)):
        comparison.keep([_compared(pair) for pair in waiting])
    return render_template("_compare_progress.html", a=first, b=second, **_progress(comparison, first, second))


@blueprint.get("/compare/<uuid:item_a>/<uuid:item_b>")
def pair(item_a: UUID, item_b: UUID) -> ResponseReturnValue:
    """One pair: side by side, swiped, or as its difference."""
    one, other = item_or_404(item_a), item_or_404(item_b)
    comparison = Comparison(services().database, one.job_id, other.job_id)
    found = comparison.pair(one.id, other.id)
    if found is None:
        abort(404)
    before, after = comparison.neighbours(found)
    repository = services().repository
    jobs = repository.job(one.job_id), repository.job(other.job_id)
    shown = is_shown(one) and one.source_key is not None and found.agreement is not None
    return render_template(
        "compare_pair.html",
        a=jobs[0],
        b=jobs[1],
        one=one,
        other=other,
        pair=found,
        before=before,
        after=after,
        shown=shown,
    )


@blueprint.get("/items/<uuid:item_a>/difference.png")
def difference(item_a: UUID) -> ResponseReturnValue:
    """The source of a pair with what one of the masks alone has; `with` is the other item, `size` one of SIZES."""
    with_item, size = request.args.get("with", type=UUID), request.args.get("size", type=int)
    if with_item is None or size not in SIZES:
        abort(404)
    one, other = item_or_404(item_a), item_or_404(with_item)
    if not is_shown(one) or one.source_key is None or one.mask_key is None or other.mask_key is None:
        abort(404)
    keys = (one.source_key, one.mask_key, other.mask_key)
    name = f"{one.id} {version(one)} {other.id} {version(other)} difference {size}"
    answer = Response(mimetype="image/png")
    answer.cache_control.private = True
    answer.set_etag(quote(name))

    def make(objects: tuple[bytes, ...]) -> bytes:
        return draw(Picture.ERRORS, objects, size=size, decode=decoders().decode, channel=channel_of(one))

    what = f"difference of items {one.id} and {other.id}"
    return filled(answer, lambda: drawn(make, keys, size, name=name), what).make_conditional(request)


def _compared(pair: Pair) -> Compared:
    store = services().store
    try:
        found = agreement(store.get(pair.mask_a), store.get(pair.mask_b))
    except (ImageError, ObjectMissing):
        return Compared(pair.item_a, pair.item_b, pair.number, None, 0, 0)
    return Compared(pair.item_a, pair.item_b, pair.number, found.dice, found.first, found.second)


def _progress(comparison: Comparison, first: Job, second: Job) -> dict[str, object]:
    changes, total = comparison.changes(), comparison.total()
    is_open = not (first.state.is_final and second.state.is_final)
    return {
        "changes": changes,
        "total": total,
        "goes_on": changes.compared < total or is_open,
        "nearly": NEARLY_ALIKE,
        "address": url_for("compare.index", a=first.id, b=second.id),
    }


def _job(name: str) -> Job:
    job_id = request.args.get(name, type=UUID)
    if job_id is None:
        abort(404)
    return services().repository.job(str(job_id))


def _after() -> tuple[float, int] | None:
    word = request.args.get("after", "")
    if not word:
        return None
    try:
        agreement_, number = word.split(",")
        place = float(agreement_), int(number)
    except ValueError:
        abort(404)
    if not 0 <= place[1] < 2**31:  # which the database cannot compare with
        abort(404)
    return place


def _cursor(pair: Compared) -> str:
    return f"{-1.0 if pair.agreement is None else pair.agreement!r},{pair.number}"
