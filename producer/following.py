"""Commands about jobs that there are: how they stand, following them, their results, and changing their course."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import click

from producer import report
from producer.access import opened
from producer.collect import Destination, destination_of
from producer.display import Display
from producer.options import FOLDER, format_option, job_argument, json_option, sheet_option, to_option
from producer.outcome import conclude, downloaded, show
from producer.watch import stopped_upload, why_it_waits
from shared.commandline import ExitCode, plural
from shared.db.events import Actor
from shared.errors import ItemErrorCode, Retryable
from shared.flows.exports.export import Export
from shared.flows.lookup import find_job
from shared.identity import user_at_host
from shared.jobs.records import Job
from shared.services import Services

_STATUS_JOBS = 20


@click.command()
@click.argument("reference", metavar="[JOB]", required=False)
@json_option
def status(reference: str | None, as_json: bool) -> None:
    """Show a job, or the newest jobs."""
    with opened() as services:
        if reference is not None:
            job = find_job(services, reference)
            show(services, job, as_json=as_json)
            _tell_standstill(services, [job])
            return
        services.database.check()
        jobs = services.repository.jobs(limit=_STATUS_JOBS)
        if as_json:
            report.print_json({"jobs": [report.job_json(job) for job in jobs]})
        else:
            report.print_jobs(jobs)
        _tell_standstill(services, jobs)


@click.command()
@job_argument
@to_option
@format_option
@json_option
def watch(reference: str, folder: Path | None, export: Export, as_json: bool) -> None:
    """Follow a job to its end; the exit code says how it ended."""
    to = destination_of(folder, export)
    with opened() as services:
        job = find_job(services, reference)
        if to:
            to.check_free(services.repository, job)
        upload = f", {job.upload_words}" if job.upload_words else ""
        said = f"job {job.id} is {job.state}{upload}"
        conclude(services, job.id, Display(), said, wait=True, to=to, as_json=as_json)


@click.command()
@job_argument
@click.argument("folder", metavar="DIR", type=FOLDER)
@format_option
@sheet_option
def download(reference: str, folder: Path, export: Export, sheet: bool) -> None:
    """Download a job's results to DIR, as far as it has come.

    --format says what DIR gets. Repeated, it takes what is missing.
    """
    to = Destination(folder, export, sheet)
    display = Display()
    with opened() as services:
        job = find_job(services, reference)
        if not job.state.is_final:
            display.line(f"note: the job is {job.state}, {plural(job.counts.finished, 'image')} of it done so far")
        if job.sealed_at is None:
            display.line("note: its upload is not complete; names that fall together with later ones will change")
        if not downloaded(services, job, to, display).is_complete:
            raise click.exceptions.Exit(ExitCode.SOME_FAILED)


@click.command()
@job_argument
def cancel(reference: str) -> None:
    """Cancel a job: what waits ends at once, what is at work ends without a result."""
    with opened() as services:
        job = services.repository.cancel(find_job(services, reference).id, by=Actor.of_text(user_at_host()))
        Display().line(f"cancelled job {job.id}: {plural(job.counts.succeeded, 'image')} had succeeded before")


@click.command()
@job_argument
@click.option(
    "--code", "codes", multiple=True, type=click.Choice(list(ItemErrorCode)), metavar="CODE",
    help="Only what failed with this error code; can be given several times.",
)  # fmt: skip
def retry(reference: str, codes: tuple[str, ...]) -> None:
    """Try again what failed in a job, which may still run, and what was cancelled in one that has ended."""
    with opened() as services:
        found = find_job(services, reference)
        cut_short = services.repository.failures(found.id, ItemErrorCode.TRUNCATED)
        job = services.repository.retry(found.id, codes=codes, by=Actor.of_text(user_at_host()))
        with suppress(Retryable):  # the reconciler sends the hints that are not sent here
            services.dispatcher.fill()
        again = plural(job.counts.pending, "image") if found.state.is_final else "what failed is tried again"
        if found.state.is_final and (left := job.counts.failed + job.counts.cancelled):
            again += f" (not {left:,} of which no source is stored: submit the files anew)"
        display = Display()
        runs = "runs again" if found.state.is_final else "goes on"
        display.line(f"job {job.id} {runs}: {again}; `producer watch {job.id}` follows it")
        if cut_short:
            display.line(
                f"note: {plural(cut_short, 'image')} ended early, and what was uploaded then is what is tried again: "
                "if the file was still being written, submit it again"
            )


def _tell_standstill(services: Services, jobs: Sequence[Job]) -> None:
    """Say whose upload has stopped, and whether nobody works on what is left."""
    display = Display()
    for line in filter(None, map(stopped_upload, jobs)):
        display.line(line)
    waiting = next(filter(None, (why_it_waits(services, job) for job in jobs)), None)
    if waiting:
        display.line(waiting)
