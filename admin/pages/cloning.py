"""The form that starts a job over the inputs of another."""

from uuid import UUID

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from admin.pages.filling import priority_of, submitter_of_page
from admin.pages.forms import CloneForm, form_of
from admin.web.context import services
from admin.web.once import submitted_once
from shared.errors import UsageError
from shared.flows.cloning import clone
from shared.images.scale import scale_text
from shared.jobs.clones import CloneChanges, cloned_name
from shared.jobs.records import Job

blueprint = Blueprint("cloning", __name__)


@blueprint.route("/jobs/<uuid:job_id>/clone", methods=["GET", "POST"])
def form(job_id: UUID) -> ResponseReturnValue:
    """Ask for what is to be another, filled in with what the job has."""
    job = services().repository.job(str(job_id))
    has = {"model": job.model or "", "threshold": job.threshold, "scale": scale_text(job.scale)}
    filled = form_of(CloneForm, data=has)
    filled.name.description = f"Optional. Without one the job is called “{cloned_name(job)}”."
    if filled.validate_on_submit():
        try:
            clone_id, is_new = submitted_once("clone", filled.request_key.data, lambda _tell: _clone(job, filled))
        except UsageError as error:
            filled.form_errors.append(f"{str(error)[:1].upper()}{str(error)[1:]}.")
        else:
            flash("Started over the same images." if is_new else "This form was sent already: here is its job.")
            return redirect(url_for("jobs.job", job_id=clone_id))
    return render_template("clone.html", form=filled, job=job), 400 if filled.errors else 200


def _clone(job: Job, asked: CloneForm) -> str:
    changes = CloneChanges(model=asked.model.data or None, threshold=asked.threshold.data, scale=asked.factor())
    return clone(
        services(),
        job,
        changes,
        name=asked.name.data or "",
        submitted_by=submitter_of_page(),
        priority=priority_of(job.counts.total),
    )
