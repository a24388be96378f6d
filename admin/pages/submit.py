"""The two forms that start a job, and the desk around the one of synthetic jobs."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from admin.domain.synthetic_runs import last_runs
from admin.pages.forms import SyntheticForm, UploadForm, size_of_pixels
from admin.pages.scene_preview import scene_png
from admin.web.context import account, services, who
from admin.web.delivery import uploads
from admin.web.delivery.gates import Gate
from admin.web.delivery.limits import MAX_FILES
from admin.web.live import live_part, version_of
from admin.web.once import submitted_once
from shared.db.model_registry import ModelRegistry
from shared.errors import UsageError
from shared.flows.pages import FIRST_PAGE, pages_of_text
from shared.flows.submission import submit_images
from shared.flows.synthetic import SyntheticSpec, submit_synthetic
from shared.images.channel_choice import AUTO, channel_of
from shared.images.formats import READABLE, READABLE_EXTENSIONS
from shared.images.scale import scale_of
from shared.jobs.records import Priority, Unfamiliar

Form = TypeVar("Form", SyntheticForm, UploadForm)

# For so few a person waits before the browser, and they go before the batches. More would make others wait.
_MAX_INTERACTIVE_FILES = 8
_RUNS_SHOWN = 6
_TRY = "try"  # the button that makes one image and stays on the page

# Each takes some 50 ms of a core.
_previews = Gate(of_each=1, in_all=2)

blueprint = Blueprint("submit", __name__, url_prefix="/new")


@blueprint.route("/synthetic", methods=["GET", "POST"])
def synthetic() -> ResponseReturnValue:
    """A job of generated images."""
    form = _form(SyntheticForm) if request.method == "POST" else _form(SyntheticForm, request.args)
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
    form = _form(SyntheticForm, request.args, meta={"csrf": False})
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
    form = _form(SyntheticForm)
    form.form_errors.append("You logged in again since this form was opened. It is as you filled it in: send it again.")
    return _desk(form)


@blueprint.route("/upload", methods=["GET", "POST"])
def upload() -> ResponseReturnValue:
    """A job of the user's own images."""
    form = _form(UploadForm)
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


def _form(kind: type[Form], *values: Any, **options: Any) -> Form:
    registry = ModelRegistry(services().database, services().store)
    return kind(*values, models=registry.models(), active=registry.active(), **options)


def _synthetic(form: SyntheticForm, spec: SyntheticSpec) -> str:
    return submit_synthetic(
        services(),
        spec,
        name=form.name.data or "synthetic",
        submitted_by=_submitter(),
        priority=_priority(spec.count),
        model=form.model.data or None,
        threshold=form.threshold.data,
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
        model=form.model.data or None,
        threshold=form.threshold.data,
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
