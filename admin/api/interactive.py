"""One image that somebody waits for, sent or generated: through the queue, before all batches."""

import secrets
from base64 import b64encode
from collections.abc import Callable

from flask import Response, url_for
from flask.typing import ResponseReturnValue

from admin.api import waiting
from admin.api.conditional import json_answer
from admin.api.once import submitted
from admin.api.operations import operation
from admin.api.requests.interactive import Demo, Predict
from admin.api.schemas.interactive import Demonstration, Prediction
from admin.api.schemas.items import Item
from admin.api.sent import job_of_files, sent_files
from admin.web.context import services, submitter
from admin.web.delivery.files import files_of
from admin.web.problems import ProblemKind
from admin.web.refusals import Refused
from shared.errors import ObjectMissing
from shared.flows.synthetic import MAX_SEED, SyntheticSpec, submit_synthetic
from shared.images.codec import widen_mask
from shared.jobs.records import Item as ItemRecord
from shared.jobs.records import Priority
from shared.jobs.state import ItemStatus, JobKind
from shared.jobs.workers import ALIVE_SECONDS

DEFAULT_WAIT_SECONDS = 30
_FILE = "file"
# A worker may be starting just now: so long is waited for one to show up.
_WORKER_SECONDS = 3.0
_RETRY = {"Retry-After": "5"}
_PROBLEMS = {
    202: "The wait that `Prefer` asked for is over, and the job goes on: it is at `Location`.",
    503: "No worker is running, or a service is away or full. Where there is a `job`, it waits for a worker.",
    504: f"Not done within {DEFAULT_WAIT_SECONDS} s; the job goes on, its address is `job` and `Location`.",
    409: "The job was cancelled or removed meanwhile.",
}
_PROBLEMS_OF_IMAGES = _PROBLEMS | {422: "Values that do not fit, or an image that cannot be used: `code` says why."}


@operation(
    "POST",
    "/predict",
    media=("image/png",),
    body=Predict,
    files=_FILE,
    one_file=True,
    repeatable=True,
    waits=True,
    problems=_PROBLEMS_OF_IMAGES,
)
def predict(body: Predict) -> ResponseReturnValue:
    """Segment one image, the part `file` of the form, and answer with its mask as PNG: 8 bit, 0 and 255.

    It goes before all batches. `Location` is the job's address, where all else of the result is.
    """
    job_id = _submitted(body)
    return _answered(job_id, lambda item: Response(_mask(item), mimetype="image/png"))


@operation(
    "POST",
    "/predict/json",
    answer=Prediction,
    body=Predict,
    files=_FILE,
    one_file=True,
    repeatable=True,
    waits=True,
    problems=_PROBLEMS_OF_IMAGES,
)
def predict_json(body: Predict) -> ResponseReturnValue:
    """Segment one image, the part `file` of the form, and answer with mask, probability map and measurements."""
    job_id = _submitted(body)

    def answer(item: ItemRecord) -> Response:
        found = Prediction(
            job=_address(job_id),
            item=_shown(item, JobKind.IMAGES),
            mask=_text(_mask(item)),
            probability=_text(_stored(item.probability_key)),
        )
        return json_answer(found.model_dump_json())

    return _answered(job_id, answer)


@operation("GET", "/demo", answer=Demonstration, query=Demo, waits=True, changes=True, problems=_PROBLEMS)
def demo(query: Demo) -> ResponseReturnValue:
    """Generate an image, segment it, and answer with both and their Dice.

    It makes a job of one image each time.
    """
    seed = secrets.randbelow(MAX_SEED) if query.seed is None else query.seed
    spec = SyntheticSpec(
        count=1,
        seed=seed,
        num_dots=query.num_dots,
        jitter=query.jitter,
        severity_from=query.severity,
        severity_to=query.severity,
        noise=query.noise,
    )
    job_id = submit_synthetic(services(), spec, name="demo", submitted_by=submitter(), priority=Priority.HIGH)

    def answer(item: ItemRecord) -> Response:
        found = Demonstration(
            job=_address(job_id),
            item=_shown(item, JobKind.SYNTHETIC),
            num_dots=query.num_dots,
            jitter=query.jitter,
            severity=query.severity,
            seed=seed,
            image=_text(_stored(item.source_key)),
            truth=_text(widen_mask(_stored(item.truth_key))),
            mask=_text(_mask(item)),
            probability=_text(_stored(item.probability_key)),
            dice=item.dice or 0.0,
            iou=item.iou or 0.0,
            precision=item.precision or 0.0,
            recall=item.recall or 0.0,
        )
        return json_answer(found.model_dump_json())

    return _answered(job_id, answer)


def _submitted(body: Predict) -> str:
    make = job_of_files(sent_files(_FILE, most=1), body, name="predict", priority=Priority.HIGH)
    return submitted("predict", make)[0]


def _answered(job_id: str, answer: Callable[[ItemRecord], Response]) -> Response:
    """The answer to whoever waits for a job of one image."""
    asked = waiting.preferred_wait()
    seconds = DEFAULT_WAIT_SECONDS if asked is None else asked
    location = {"Location": _address(job_id)}
    if not waiting.wait_for_end(job_id, seconds, give_up=_nobody_works if asked is None else lambda waited: False):
        if asked is not None:
            return waiting.waited(Response(status=202, headers=location), asked)
        raise _too_late(job_id, seconds)
    item = next(iter(services().repository.items(job_id, limit=1)), None)
    if item is None or item.state is ItemStatus.CANCELLED:
        raise Refused(409, "The job was cancelled or removed before its image was segmented.", location)
    if item.state is ItemStatus.FAILED:
        more = {"job": _address(job_id), "code": item.error_code or ""}
        raise Refused(422, _sentence(item.error), location, kind=ProblemKind.IMAGE_UNUSABLE, more=more)
    try:
        found = answer(item)
    except ObjectMissing as error:
        raise Refused(409, "The result is not there any more: send the image again.", location) from error
    found.headers.extend(location)
    return waiting.waited(found, asked)


def _too_late(job_id: str, seconds: int) -> Refused:
    more = {"job": _address(job_id)}
    headers = _RETRY | {"Location": _address(job_id)}
    if not _is_anybody_there():
        advice = "No worker is running. The job waits for one: look at `job` again later, and send nothing anew."
        return Refused(503, advice, headers, kind=ProblemKind.NO_WORKER, more=more)
    advice = f"Not done within {seconds} s. The job goes on: look at `job` for its result, and send nothing anew."
    return Refused(504, advice, headers, kind=ProblemKind.NOT_SEGMENTED_YET, more=more)


def _nobody_works(waited: float) -> bool:
    return waited > _WORKER_SECONDS and not _is_anybody_there()


def _is_anybody_there() -> bool:
    quiet = services().workers.quiet_for()
    return quiet is not None and quiet < ALIVE_SECONDS


def _shown(item: ItemRecord, kind: JobKind) -> Item:
    return Item.of(item, list(files_of(item, kind)))


def _address(job_id: str) -> str:
    return url_for("api.job", job_id=job_id)


def _mask(item: ItemRecord) -> bytes:
    return widen_mask(_stored(item.mask_key))


def _stored(key: str | None) -> bytes:
    if key is None:
        raise ObjectMissing("the result has no such picture")
    return services().store.get(key)


def _text(png: bytes) -> str:
    return b64encode(png).decode()


def _sentence(reason: str | None) -> str:
    text = reason or "the image cannot be used"
    return f"{text[:1].upper()}{text[1:]}."
