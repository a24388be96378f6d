"""Uploads file by file, of any number: a job stays open until all are there, and the page goes on where it was.

What has arrived is known by the job alone. A page that was closed, or a connection that broke, loses nothing: whoever
gives the same folder to the page of the job sends what is missing (`static/upload.js`). Without script the form of
`admin.pages.submit` takes a few hundred images at once.
"""

from typing import TypedDict
from uuid import UUID

from flask import Blueprint, flash, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import BadRequest

from admin.pages.forms import ImagesForm, form_of
from admin.web.context import account, services
from admin.web.delivery import uploads
from admin.web.delivery.filling import is_filled, own_key, require_filled
from admin.web.refusals import Refused
from shared.config import Settings
from shared.errors import UsageError
from shared.flows.additions import NameTaken, add_images
from shared.flows.pages import FIRST_PAGE, PageChoice, pages_of_text
from shared.flows.submission import begun, seal
from shared.images.formats import IMAGE_EXTENSIONS, READABLE, READABLE_EXTENSIONS
from shared.jobs.records import Priority
from shared.jobs.state import JobKind

# For so few a person waits before the browser, and they go before the batches. More would make others wait.
_MAX_INTERACTIVE_FILES = 8
# At once of one page: one fewer than an account may send (admin.serving.intake), for whatever else it does.
_SENT_AT_ONCE = 3
_MAX_ASKED = 150  # names of one question what is there: three parts each, of those that a form may have

blueprint = Blueprint("filling", __name__, url_prefix="/new/upload")


class ShownOfFiles(TypedDict):
    """What a page says of the files that it takes, before any is sent."""

    formats: tuple[str, ...]
    accept: str
    extensions: str
    at_once: int
    most_asked: int
    settings: Settings


@blueprint.post("/begin")
def begin() -> ResponseReturnValue:
    """Begin a job of a form without its files; sent again it is the same job. Answers with where files go."""
    form = form_of(ImagesForm)
    if not form.validate():
        return render_template("_upload_settings.html", form=form), 400
    files = request.form.get("files", default=_MAX_INTERACTIVE_FILES + 1, type=int)

    key = own_key(f"page {form.request_key.data}")
    job_id, _goes_on = begun(
        services().repository,
        key,
        lambda: services().repository.create_job(
            JobKind.IMAGES,
            **form.asked(),
            submitted_by=submitter_of_page(),
            submission_key=key,
            priority=priority_of(files),
            postprocessing=str(form.postprocessing()),
        ),
    )
    pages = form.pages_chosen()
    return jsonify(page=url_for("filling.page", job_id=job_id, pages=None if pages.is_first else pages.text))


@blueprint.get("/<uuid:job_id>")
def page(job_id: UUID) -> ResponseReturnValue:
    """The page of a job that is not complete: give it more files, those of before are not sent again."""
    job = services().repository.job(str(job_id))
    if not is_filled(job):
        return redirect(url_for("jobs.job", job_id=job.id))
    return render_template("upload_more.html", job=job, pages=_pages(), **shown_of_files())


@blueprint.post("/<uuid:job_id>/known")
def known(job_id: UUID) -> ResponseReturnValue:
    """Which of these files have arrived as they are: their names, sizes and times as lists of one length."""
    _open(job_id)
    names = request.form.getlist("name")
    sizes, times = (request.form.getlist(field, type=int) for field in ("size", "modified"))
    if not len(names) == len(sizes) == len(times) <= _MAX_ASKED:
        raise BadRequest
    paths = [uploads.relative_path(name) for name in names]
    found = services().repository.known_files(str(job_id), paths)
    arrived = [
        name
        for name, path, size, modified in zip(names, paths, sizes, times, strict=True)
        if (version := found.get(path)) and (version.size, version.modified) == (size, _nanoseconds(modified))
    ]
    return jsonify(arrived=arrived)


@blueprint.post("/<uuid:job_id>/files")
def add(job_id: UUID) -> ResponseReturnValue:
    """Add one file; safe to send again. One of a known name and another content is refused, unless `replace` is 1."""
    _open(job_id)
    file = request.files.get("image")
    if file is None:
        raise BadRequest
    path = uploads.relative_path(request.form.get("path") or file.filename or "")
    modified = _nanoseconds(request.form.get("modified", default=0, type=int))
    sources = list(uploads.sources_of(file, path, services().settings.max_source_bytes, _pages()))
    replaces = request.form.get("replace") == "1"
    try:
        done = add_images(
            services(),
            str(job_id),
            sources,
            replaces=lambda _path: replaces,
            modified={source.path: modified for source in sources},
        )
    except NameTaken as error:
        raise Refused(409, "The job has another image of this name. Tick “take the new one” to replace it.") from error
    return jsonify(added=done.added, known=done.known, replaced=done.replaced, failed=done.failed)


@blueprint.post("/<uuid:job_id>/seal")
def finish(job_id: UUID) -> ResponseReturnValue:
    """Say that all images are there."""
    job = services().repository.job(str(job_id))
    if not job.counts.total:
        raise Refused(400, "No image has arrived yet: give some first, or leave the page. An empty job goes by itself.")
    seal(services(), job.id)
    flash(f"{job.counts.total:,} image{'' if job.counts.total == 1 else 's'} uploaded.")
    return redirect(url_for("jobs.job", job_id=job.id))


def shown_of_files() -> ShownOfFiles:
    """Return what the templates of uploads say of files."""
    return ShownOfFiles(
        formats=READABLE,
        accept=",".join(READABLE_EXTENSIONS),
        extensions=" ".join(sorted(IMAGE_EXTENSIONS)),
        at_once=_SENT_AT_ONCE,
        most_asked=_MAX_ASKED,
        settings=services().settings,
    )


def priority_of(images: int) -> Priority:
    """Return the priority of a job that was begun on a page with so many images."""
    return Priority.HIGH if images <= _MAX_INTERACTIVE_FILES else Priority.NORMAL


def submitter_of_page() -> str:
    """Return whom a job that was begun on a page is submitted by, for people."""
    known = account()
    return f"{known.name} (web)" if known else "web"


def _open(job_id: UUID) -> None:
    try:
        require_filled(str(job_id))
    except UsageError as error:
        raise Refused(410, "The job takes no more images: it was finished or ended meanwhile.") from error


def _pages() -> PageChoice:
    return pages_of_text(request.args.get("pages") or FIRST_PAGE.text)


def _nanoseconds(milliseconds: int) -> int:
    """Return a time of a browser as the tables keep it; of one that no file can have the nearest that they hold."""
    return min(max(milliseconds, 0) * 1_000_000, 2**63 - 1)
