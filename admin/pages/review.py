"""The review desk: results of a job one after the other, those trusted least first, each graded by a key.

Without script each grade is a form that leads to the next result. With it (`static/review.js`) the page takes the next
ones ahead as pieces of the same template, and sends grades in the background.
"""

from uuid import UUID

from flask import Blueprint, abort, flash, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import BadRequest

from admin.pages.formats import capitalize_first
from admin.pages.pictures import is_shown
from admin.web.context import account_name, reviews, services
from admin.web.delivery.corrections import CorrectionRefused, keep_correction, read_correction
from shared.errors import IllegalTransition, UsageError
from shared.jobs.grades import MAX_NOTE_LENGTH, Grade
from shared.jobs.records import Item, Job
from shared.jobs.state import ItemStatus

AHEAD = 3
"""Results that are fetched before they are asked for."""
_MAX_NAMED = 500  # ids that a desk may name as known or passed over
# What the template of a result uses beside it.
_SHOWN = {"is_shown": is_shown, "max_note": MAX_NOTE_LENGTH}

blueprint = Blueprint("review", __name__, url_prefix="/jobs/<uuid:job_id>/review")


@blueprint.get("")
def desk(job_id: UUID) -> ResponseReturnValue:
    """The desk with the next result, or with the one that the address names."""
    job = _job(job_id)
    named = request.args.get("item", type=UUID)
    if named is None:
        found = reviews().take(job.id, by=account_name(), limit=1, leaving_out=_ids("passed", request.args))
        named = UUID(found[0]) if found else None
    item = None if named is None else _item(job_id, named)
    return render_template(
        "review.html",
        job=job,
        item=item,
        graded=reviews().graded(job.id),
        is_open=not job.state.is_final,
        passed=request.args.getlist("passed"),
        **_SHOWN,
    )


@blueprint.post("/take")
def take(job_id: UUID) -> ResponseReturnValue:
    """The next results as pieces of the desk."""
    job = _job(job_id)
    keeping, passed = _ids("keeping", request.form), _ids("passed", request.form)
    ahead = min(max(request.form.get("ahead", default=AHEAD, type=int), 0), AHEAD)
    ids = reviews().take(job.id, by=account_name(), limit=ahead, keeping=keeping, leaving_out=passed)
    items = [_item(job_id, UUID(each)) for each in ids]
    graded, is_open = reviews().graded(job.id), not job.state.is_final
    return render_template("_review_take.html", job=job, items=items, graded=graded, is_open=is_open, **_SHOWN)


@blueprint.post("/<uuid:item_id>")
def grade(job_id: UUID, item_id: UUID) -> ResponseReturnValue:
    """Grade a result."""
    before = _item(job_id, item_id)
    try:
        given = Grade(request.form["grade"]) if request.form["grade"] else None
    except ValueError as error:
        raise BadRequest from error
    mine = account_name()
    try:
        replaced = reviews().grade(before.job_id, before.id, given, note=request.form.get("note"), by=mine)
    except (UsageError, IllegalTransition) as error:
        return _refused(job_id, error)
    told = ""
    if replaced.grade is not None and replaced.graded_by != mine:
        told = f"{before.path}: {replaced.graded_by} had said {replaced.grade}. Your grade stands now; both are kept."
    if _by_script():
        return jsonify(told=told)
    if told:
        flash(told)
    return redirect(url_for("review.desk", job_id=job_id))


@blueprint.post("/<uuid:item_id>/correction")
def correct(job_id: UUID, item_id: UUID) -> ResponseReturnValue:
    """Keep a corrected mask, and show its result again."""
    item = _item(job_id, item_id)
    file = request.files.get("mask")
    if file is None:
        raise BadRequest
    try:
        keep_correction(item, read_correction(item, file), by=account_name())
    except (CorrectionRefused, IllegalTransition) as error:
        return _refused(job_id, error, item_id)
    if _by_script():
        return render_template("_review_item.html", job=_job(job_id), item=_item(job_id, item_id), **_SHOWN)
    flash("The corrected mask is kept beside the model’s.")
    return redirect(url_for("review.desk", job_id=job_id, item=item_id))


@blueprint.post("/undo")
def undo(job_id: UUID) -> ResponseReturnValue:
    """Undo one's own last step in this job, and show its result again."""
    try:
        undone = reviews().undo(str(job_id), by=account_name())
    except IllegalTransition as error:
        return _refused(job_id, error)
    if undone is None:
        return _refused(job_id, UsageError("there is nothing of yours to undo in this job"))
    if _by_script():
        return render_template("_review_item.html", job=_job(job_id), item=_item(job_id, UUID(undone)), **_SHOWN)
    flash("Undone.")
    return redirect(url_for("review.desk", job_id=job_id, item=undone))


def _job(job_id: UUID) -> Job:
    return services().repository.job(str(job_id))


def _item(job_id: UUID, item_id: UUID) -> Item:
    found = services().repository.item(str(item_id))
    if found is None or found.job_id != str(job_id) or found.state is not ItemStatus.SUCCEEDED:
        abort(404)
    return found


def _refused(job_id: UUID, error: UsageError | IllegalTransition, item_id: UUID | None = None) -> ResponseReturnValue:
    sentence = f"{capitalize_first(str(error))}."
    if _by_script():
        return jsonify(told=sentence), 409
    flash(sentence, "error")
    return redirect(url_for("review.desk", job_id=job_id, item=item_id))


def _by_script() -> bool:
    return request.headers.get("X-Requested-With") == "review"


def _ids(name: str, values: MultiDict[str, str]) -> list[str]:
    try:
        return [str(UUID(each)) for each in values.getlist(name)[-_MAX_NAMED:]]
    except ValueError as error:
        raise BadRequest from error
