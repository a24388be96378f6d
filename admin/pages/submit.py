"""The two forms that start a job."""

from collections.abc import Callable

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from admin.pages.forms import SyntheticForm, UploadForm, size_of_pixels
from admin.web.context import account, services
from admin.web.delivery import uploads
from admin.web.delivery.limits import MAX_FILES
from admin.web.once import submitted_once
from shared.errors import UsageError
from shared.flows.pages import FIRST_PAGE, pages_of_text
from shared.flows.submission import submit_images
from shared.flows.synthetic import SyntheticSpec, submit_synthetic
from shared.images.channel_choice import AUTO, channel_of
from shared.images.formats import READABLE, READABLE_EXTENSIONS
from shared.images.scale import scale_of
from shared.jobs.records import Priority, Unfamiliar

# For so few a person waits before the browser, and they go before the batches. More would make others wait.
_MAX_INTERACTIVE_FILES = 8

blueprint = Blueprint("submit", __name__, url_prefix="/new")


@blueprint.route("/synthetic", methods=["GET", "POST"])
def synthetic() -> ResponseReturnValue:
    """A job of generated images."""
    form = SyntheticForm()
    if form.validate_on_submit():
        try:
            spec = form.spec()
        except UsageError as error:
            form.form_errors.append(str(error))
        else:
            job_id, is_new = submitted_once("synthetic", form.request_key.data, lambda _tell: _synthetic(form, spec))
            return _to(job_id, f"Started with {spec.count:,} image{'s' if spec.count > 1 else ''}.", is_new)
    return render_template("new_synthetic.html", form=form), 400 if form.errors else 200


def sent_too_late() -> str:
    """Return the form of `synthetic` as it was filled in, of a session that has ended meanwhile."""
    form = SyntheticForm()
    form.form_errors.append("You logged in again since this form was opened. It is as you filled it in: send it again.")
    return render_template("new_synthetic.html", form=form)


@blueprint.route("/upload", methods=["GET", "POST"])
def upload() -> ResponseReturnValue:
    """A job of the user's own images."""
    form = UploadForm()
    settings = services().settings
    if form.validate_on_submit():
        files = form.images.data
        uploads.refuse_if_all_are_too_large(files, max_bytes=settings.max_source_bytes)
        job_id, is_new = submitted_once("images", form.request_key.data, lambda tell: _uploaded(form, tell))
        return _to(job_id, f"{len(files)} image{'s' if len(files) > 1 else ''} uploaded.", is_new)
    page = render_template(
        "new_upload.html",
        form=form,
        formats=READABLE,
        accept=",".join(READABLE_EXTENSIONS),
        most_files=MAX_FILES,
        settings=settings,
    )
    return page, 400 if form.errors else 200


def _synthetic(form: SyntheticForm, spec: SyntheticSpec) -> str:
    return submit_synthetic(
        services(),
        spec,
        name=form.name.data or "synthetic",
        submitted_by=_submitter(),
        priority=_priority(spec.count),
    )


def _uploaded(form: UploadForm, tell: Callable[[str], None]) -> str:
    files = form.images.data
    return submit_images(
        services(),
        uploads.sources(
            files,
            max_bytes=services().settings.max_source_bytes,
            pages=pages_of_text(form.pages.data or FIRST_PAGE.text),
        ),
        name=form.name.data or "upload",
        submitted_by=_submitter(),
        priority=_priority(len(files)),
        scale=scale_of(form.scale.data or "1"),
        unfamiliar=Unfamiliar(form.unfamiliar.data),
        channel=channel_of(form.channel.data or AUTO),
        pixel_size=size_of_pixels(form.pixel_size.data),
        postprocessing=form.postprocessing(),
        on_start=lambda job_id, _resumed: tell(job_id),
    )


def _to(job_id: str, done: str, is_new: bool) -> ResponseReturnValue:
    flash(done if is_new else "This form was sent already: here is its job.")
    return redirect(url_for("jobs.job", job_id=job_id))


def _priority(images: int) -> Priority:
    return Priority.HIGH if images <= _MAX_INTERACTIVE_FILES else Priority.NORMAL


def _submitter() -> str:
    known = account()
    return f"{known.name} (web)" if known else "web"
