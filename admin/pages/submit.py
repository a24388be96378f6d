"""The two forms that start a job, and the desk around the one of synthetic jobs."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from admin.domain.synthetic_runs import last_runs
from admin.pages.filling import priority_of, shown_of_files, submitter_of_page
from admin.pages.forms import SyntheticForm, UploadForm, form_of
from admin.pages.scene_preview import scene_png
from admin.web.context import services, who
from admin.web.delivery import uploads
from admin.web.delivery.gates import Gate
from admin.web.delivery.limits import MAX_FILES
from admin.web.live import live_part, version_of
from admin.web.once import submitted_once
from shared.errors import UsageError
from shared.flows.submission import submit_images
from shared.flows.synthetic import SyntheticSpec, submit_synthetic

_RUNS_SHOWN = 6
_TRY = "try"  # the button that makes one image and stays on the page

# Each takes some 50 ms of a core.
_previews = Gate(of_each=1, in_all=2)

blueprint = Blueprint("submit", __name__, url_prefix="/new")


@blueprint.route("/synthetic", methods=["GET", "POST"])
def synthetic() -> ResponseReturnValue:
    """A job of generated images."""
    form = form_of(SyntheticForm) if request.method == "POST" else form_of(SyntheticForm, request.args)
    if form.validate_on_submit():
        try:
            spec = form.spec()
        except UsageError as error:
            form.form_errors.append(str(error))
        else:
            is_trial = _TRY in request.form
            spec = replace(spec, count=1) if is_trial else spec
            job_id, is_new = submitted_once("synthetic", form.request_key.data, lambda _tell: _synthetic(form, spec))
            if is_trial:
                return redirect(url_for("submit.synthetic", **form.asked(), _anchor="runs"))
            return _to(job_id, f"Started with {spec.count:,} image{'s' if spec.count > 1 else ''}.", is_new)
    elif request.args:
        form.validate()
    return _desk(form), 400 if form.errors.keys() - {"csrf_token"} else 200


@blueprint.get("/synthetic/preview.png")
def preview() -> ResponseReturnValue:
    """The first image that the form's values make, or the `last`; with the contour of its `truth`.

    Raises:
        Busy: as many are being drawn as may be at once.
        UsageError: the values make none.
    """
    form = form_of(SyntheticForm, request.args, meta={"csrf": False})
    if not form.validate():
        label, reasons = next((form[name].label.text, reasons) for name, reasons in form.errors.items() if name)
        raise UsageError(f"{label}: {reasons[0]}".rstrip("."))
    spec = form.spec()
    synthesis = spec.synthesis(spec.count - 1 if request.args.get("image") == "last" else 0)
    with_truth = "truth" in request.args
    answer = Response(mimetype="image/png")
    etag = version_of(synthesis, with_truth)
    answer.set_etag(etag)
    answer.cache_control.private = answer.cache_control.no_cache = True
    if request.if_none_match.contains(etag):
        answer.status_code = 304
        return answer
    with _previews.inside(who()):
        answer.data = scene_png(synthesis, with_truth=with_truth)
    return answer


@blueprint.get("/synthetic/runs")
def runs() -> Response:
    """The part of `synthetic` that is polled: the last synthetic jobs and their scores."""
    view = _runs()
    return live_part(view["version"], lambda: render_template("_synthetic_runs.html", **view))


def _desk(form: SyntheticForm) -> str:
    return render_template("new_synthetic.html", form=form, **_runs())


def _runs() -> dict[str, Any]:
    found = last_runs(services().database, services().repository, limit=_RUNS_SHOWN)
    return {"runs": found, "version": version_of(found)}


def sent_too_late() -> str:
    """Return the form of `synthetic` as it was filled in, of a session that has ended meanwhile."""
    form = form_of(SyntheticForm)
    form.form_errors.append("You logged in again since this form was opened. It is as you filled it in: send it again.")
    return _desk(form)


@blueprint.route("/upload", methods=["GET", "POST"])
def upload() -> ResponseReturnValue:
    """A job of the user's own images."""
    form = form_of(UploadForm)
    if form.validate_on_submit():
        files = form.images.data
        uploads.refuse_if_all_are_too_large(files, max_bytes=services().settings.max_source_bytes)
        job_id, is_new = submitted_once("images", form.request_key.data, lambda tell: _uploaded(form, tell))
        return _to(job_id, f"{len(files)} image{'s' if len(files) > 1 else ''} uploaded.", is_new)
    page = render_template("new_upload.html", form=form, most_files=MAX_FILES, **shown_of_files())
    return page, 400 if form.errors else 200


def _synthetic(form: SyntheticForm, spec: SyntheticSpec) -> str:
    return submit_synthetic(
        services(),
        spec,
        name=form.name.data or "synthetic",
        submitted_by=submitter_of_page(),
        priority=priority_of(spec.count),
        model=form.model.data or None,
        threshold=form.threshold.data,
    )


def _uploaded(form: UploadForm, tell: Callable[[str], None]) -> str:
    files = form.images.data
    return submit_images(
        services(),
        uploads.sources(files, max_bytes=services().settings.max_source_bytes, pages=form.pages_chosen()),
        **form.asked(),
        submitted_by=submitter_of_page(),
        priority=priority_of(len(files)),
        postprocessing=form.postprocessing(),
        on_start=lambda job_id, _resumed: tell(job_id),
    )


def _to(job_id: str, done: str, is_new: bool) -> ResponseReturnValue:
    flash(done if is_new else "This form was sent already: here is its job.")
    return redirect(url_for("jobs.job", job_id=job_id))
