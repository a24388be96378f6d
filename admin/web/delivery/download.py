"""The answer that gives the results of a job as a zip: of one that has ended with a version, and in parts.

The zip is made while it is sent, and made again, the same to the byte, for whoever asks for a part of it: what comes
before the part is made and left out. Its length is known once it was made to its end; up to `_MADE_AHEAD_BYTES` that is
before the first byte is sent. docs/adr/0024 says why nothing is kept instead.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterator
from itertools import chain

from flask import Response, request

from admin.web.context import held_answers, reviews, who
from admin.web.delivery.zip_stream import zip_stream
from shared.errors import Retryable
from shared.flows.exports.export import Export
from shared.flows.exports.job_results import JobResults
from shared.flows.exports.manifest import Exporting
from shared.flows.exports.registry import DEFAULT
from shared.flows.item_words import FilterWords
from shared.jobs.records import Job
from shared.portable import attachment_names, portable_name
from shared.services import Services

_MADE_AHEAD_BYTES = 2**22
_MOST_LENGTHS = 1000


class _Changed(Retryable):
    """What a zip is made of changed while it was sent."""


class _Lengths:
    """How long the zips of which the whole was made are, by their versions; those asked for last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[str, int] = OrderedDict()

    def get(self, version: str) -> int | None:
        with self._lock:
            if version in self._known:
                self._known.move_to_end(version)
            return self._known.get(version)

    def put(self, version: str, length: int) -> None:
        with self._lock:
            self._known[version] = length
            while len(self._known) > _MOST_LENGTHS:
                self._known.popitem(last=False)

    def forget(self, version: str) -> None:
        with self._lock:
            self._known.pop(version, None)


_lengths = _Lengths()


def results_zip(services: Services, job: Job, export: Export, wanted: FilterWords) -> Response:
    """Answer with an export of the wanted items of the job, as far as it has come, or with the part that is asked for.

    Raises:
        Busy: the account has as many downloads going on as it may.
        RequestedRangeNotSatisfiable: the zip has no such part.
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
    results = JobResults(services.repository, services.store, job, wanted)
    # What is still added to has no version, and so no parts.
    changed_at, version = _version(job, Exporting(export, results)) if job.finished_at is not None else (None, None)

    def make() -> Generator[bytes, None, None]:
        exporting = Exporting(export, results, made_at=changed_at)
        modified = job.finished_at or job.created_at
        return zip_stream(exporting.files(), services.store, modified=modified, lacks=exporting.lacks)

    answer = Response(mimetype="application/zip")
    format_name = "" if export is DEFAULT else f"-{export.name}"
    filename = portable_name(job.name or "results", ending=f"-{job.id[:8]}{format_name}.zip")
    answer.headers.set("Content-Disposition", "attachment", **attachment_names(filename))
    answer.headers["Accept-Ranges"] = "none" if version is None else "bytes"
    if version is None:
        _fill(answer, make(), None)
        return answer
    answer.set_etag(version)
    if request.if_none_match.contains(version):
        answer.make_conditional(request)
    elif "Range" in request.headers and ("If-Range" not in request.headers or request.if_range.etag == version):
        length = _length_of(version, make)
        _fill(answer, make(), version)
        answer.make_conditional(request, accept_ranges=True, complete_length=length)
    else:
        _fill(answer, make(), version)
    return answer


def _length_of(version: str, make: Callable[[], Iterator[bytes]]) -> int:
    """Return how long the zip of a version is; where nobody knows, it is made to be counted."""
    length = _lengths.get(version)
    if length is None:
        length = sum(map(len, make()))
        _lengths.put(version, length)
    return length


def _fill(answer: Response, stream: Generator[bytes, None, None], version: str | None) -> None:
    """Give the answer its body, begun now so that what can go wrong becomes a page and not half an answer."""
    answer.call_on_close(stream.close)
    made: list[bytes] = []
    size = 0
    for block in stream:
        made.append(block)
        size += len(block)
        if size > _MADE_AHEAD_BYTES:
            length = _lengths.get(version) if version else None
            answer.response = _checked(chain(made, stream), version, length) if version else chain(made, stream)
            break
    else:
        answer.response, length = made, size
        if version:
            _lengths.put(version, size)
    if length is not None:
        answer.content_length = length


def _checked(blocks: Iterator[bytes], version: str, promised: int | None) -> Iterator[bytes]:
    """Pass a zip on, and note its length; one that is longer or shorter than was `promised` breaks off.

    Raises:
        _Changed: it is not the one that was promised.
    """
    length = 0
    for block in blocks:
        length += len(block)
        if promised is not None and length > promised:
            break
        yield block
    if promised not in (None, length):
        _lengths.forget(version)
        raise _Changed("results changed while they were sent: ask for them anew")
    _lengths.put(version, length)


def _version(job: Job, exporting: Exporting) -> tuple[float, str]:
    """Return when what is exported changed last, in Unix seconds, and a word that changes with it."""
    number, reviewed_at = reviews().last_change(job.id)
    of_job = (job.name, job.model_name, job.state, job.counts, job.finished_at, job.sources_removed_at)
    told = repr((exporting.identity, of_job, number, reviewed_at))
    changed_at = max(job.finished_at or 0.0, job.sources_removed_at or 0.0, reviewed_at)
    return changed_at, hashlib.sha256(told.encode(errors="replace")).hexdigest()[:32]
