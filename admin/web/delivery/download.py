"""The answer that gives the results of a job as a zip."""

from itertools import chain

from flask import Response

from admin.web.context import held_answers, who
from admin.web.delivery.zip_stream import zip_stream
from shared.flows.exports.export import Export
from shared.flows.exports.job_results import JobResults
from shared.flows.exports.manifest import Exporting
from shared.flows.exports.registry import DEFAULT
from shared.flows.item_words import FilterWords
from shared.jobs.records import Job
from shared.portable import attachment_names, portable_name
from shared.services import Services


def results_zip(services: Services, job: Job, export: Export, wanted: FilterWords) -> Response:
    """Answer with an export of the wanted items of the job, as far as it has come.

    Raises:
        Busy: the account has as many downloads going on as it may.
    """
    leave = held_answers().enter(who())
    try:
        answer = _begun(services, job, export, wanted)
    except BaseException:
        leave()
        raise
    answer.call_on_close(leave)
    return answer


def _begun(services: Services, job: Job, export: Export, wanted: FilterWords) -> Response:
    exporting = Exporting(export, JobResults(services.repository, services.store, job, wanted))
    modified = job.finished_at or job.created_at
    stream = zip_stream(exporting.files(), services.store, modified=modified, lacks=exporting.lacks)
    # Begun now, so that what can go wrong becomes a page and not half an answer.
    answer = Response(chain([next(stream)], stream), mimetype="application/zip")
    answer.call_on_close(stream.close)
    format_name = "" if export is DEFAULT else f"-{export.name}"
    filename = portable_name(job.name or "results", ending=f"-{job.id[:8]}{format_name}.zip")
    answer.headers.set("Content-Disposition", "attachment", **attachment_names(filename))
    # It is made while it is sent: how long the masks of 8 bits will be is not known, nor where to go on.
    answer.headers["Accept-Ranges"] = "none"
    return answer
