"""The command line: parse, call, print.

What needs numpy or Pillow is imported by the commands that use it: others start faster, and submitting is smaller.
"""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from producer import report
from producer.access import opened as _services
from producer.check import check_command
from producer.chosen import Choice
from producer.collect import Destination, collect, destination_of
from producer.display import Display
from producer.download import Download
from producer.exits import EXIT_CODES_HELP, exit_code_of
from producer.export import export_command
from producer.options import (
    FOLDER,
    NamedOption,
    channel_option,
    choosing_options,
    definitions,
    format_option,
    job_argument,
    json_option,
    noises,
    paths_argument,
    priority_option,
    scale_option,
    sheet_option,
    to_option,
    unfamiliar_option,
    waiting_options,
)
from producer.segment import STANDARD, Asked, image_of, write
from producer.segment import segment as segment_one
from producer.submit import submit_paths
from producer.summary import Summary, summarise
from producer.unfinished import Request
from producer.watch import stopped_upload, why_it_waits
from producer.watch import watch as watch_job
from shared.commandline import ExitCode, Program, on_interrupt, plural
from shared.db.events import Actor
from shared.errors import ItemError, ItemErrorCode, Retryable
from shared.flows.exports.export import Export
from shared.flows.lookup import find_job
from shared.flows.pages import PageChoice
from shared.identity import user_at_host
from shared.jobs.pace import pace_of
from shared.jobs.records import Job, Priority, Unfamiliar
from shared.objects.options import PostProcessing
from shared.pixel_size import PixelSize
from shared.services import Services
from shared.version import code_version

_STATUS_JOBS = 20


@click.group("producer", cls=Program, epilog=EXIT_CODES_HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(code_version(), prog_name="producer")
@click.option(
    "--api", metavar="URL", help="Work through the HTTP API of this admin, with the token that DELINEATE_TOKEN holds."
)
def main(api: str | None) -> None:
    """Submit images for segmentation, follow the jobs, download the results.

    JOB is a job's id, its last characters (four or more), or `last` for the newest job.
    """


@main.command()
@paths_argument
@choosing_options
@click.option("--name", help="Name of the job. Without it: the folder's name.")
@scale_option
@unfamiliar_option
@channel_option
@click.option(
    "--pixel-size",
    metavar="SIZE",
    callback=lambda _context, _option, text: None if text is None else PixelSize.parse(text),
    help="Size of a pixel with its unit, as 0.65um or 0.5x0.6um. Without it: what each TIFF says of its own.",
)
@click.option(
    "--smooth", type=int, default=0, metavar="PX", help="Smooth masks: each pixel as most within PX around it."
)
@click.option("--fill-holes", is_flag=True, help="Fill the holes of objects.")
@click.option("--min-area", type=int, default=0, metavar="PX", help="Drop objects of fewer pixels.")
@click.option("--keep-largest", is_flag=True, help="Keep each mask's largest object alone.")
@click.option(
    "--resume", metavar="JOB", help="Go on with this interrupted submission; it is found by itself as a rule."
)
@priority_option
@waiting_options
def submit(
    paths: tuple[Path, ...],
    recursive: bool,
    follow_links: bool,
    name: str | None,
    scale: float,
    unfamiliar: Unfamiliar,
    exclude: tuple[str, ...],
    manifest: Path | None,
    pages: PageChoice,
    channel: str,
    pixel_size: PixelSize | None,
    smooth: int,
    fill_holes: bool,
    min_area: int,
    keep_largest: bool,
    resume: str | None,
    priority: Priority,
    wait: bool,
    folder: Path | None,
    export: Export,
    as_json: bool,
) -> None:
    """Submit images as one job.

    Of a folder, all files are taken that are images by extension or content, but for the results of earlier jobs; files
    that you name are always taken. The job's id is printed. When a submission is interrupted, the same command goes on
    where it was: with the upload, the wait or the download.
    """
    if not paths and manifest is None:
        raise click.UsageError("give a folder, files, or a --manifest")
    to = destination_of(folder, export)
    display = Display()
    waits = wait or to is not None
    choice = Choice(recursive, follow_links, pages, exclude, manifest)
    processing = PostProcessing(smooth, fill_holes, min_area, keep_largest)
    request = Request(name, priority, scale, unfamiliar, channel, pixel_size, processing, waits=waits, resume=resume)
    with _services() as services:
        with on_interrupt("interrupted; the same command goes on where it was"):
            submission = submit_paths(
                services,
                paths,
                request,
                choice=choice,
                to=to,
                display=display,
            )
        _conclude(
            services, submission.job_id, display, str(submission), wait=wait, to=to, as_json=as_json, repeatable=True
        )


@main.command()
@click.argument("image", metavar="IMAGE|-", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@click.argument("mask", metavar="[MASK]", default="-", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@scale_option
@unfamiliar_option
@channel_option
@click.option("--probability", is_flag=True, help="The probability map, 0 to 255, in place of the mask.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait.",
)
def segment(
    image: Path, mask: Path, scale: float, unfamiliar: Unfamiliar, channel: str, probability: bool, timeout: float
) -> None:
    """Segment one image, before all others, and write its mask as a PNG of 0 and 255.

    `-` is standard input or output, as in `producer segment - < in.png > out.png`.
    """
    asked = Asked(scale, unfamiliar, channel, timeout, probability)
    with _services() as services, on_interrupt("interrupted, and cancelled"):
        try:
            item, png = segment_one(services, image_of(image, services.settings.max_source_bytes), asked)
        except ItemError as error:
            Display().line(f"{'standard input' if image == STANDARD else image}: {error.code}: {error}")
            raise click.exceptions.Exit(ExitCode.SOME_FAILED) from error
        write(mask, png)
        if item.note:
            Display().line(f"note: {item.note}")


@main.command()
@click.option("--count", type=int, default=16, show_default=True, metavar="N", help="How many images.")
@click.option("--num-dots", type=int, help="Dots in a blob. Without it: 15 to 80, drawn for each image.")
@click.option("--jitter", type=float, help="Displacement of the dots, a share of the side. Without it: 0 to 0.02.")
@click.option("--severity", default="0.5", show_default=True, metavar="S|A:B", help="Noise from 0 to 1, or a range.")
@click.option(
    "--noise",
    cls=NamedOption,
    names=noises,
    metavar="KIND",
    help="{}. Without it: drawn for each image.",
)
@click.option(
    "--definition",
    cls=NamedOption,
    names=definitions,
    metavar="NAME",
    help="Of the task: {}. Without it: the reference benchmark, dotblob-v1.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Determines all images.")
@priority_option
@waiting_options
@sheet_option
def demo(
    count: int,
    num_dots: int | None,
    jitter: float | None,
    severity: str,
    noise: str | None,
    definition: str | None,
    seed: int,
    priority: Priority,
    wait: bool,
    folder: Path | None,
    export: Export,
    as_json: bool,
    sheet: bool,
) -> None:
    """Submit synthetic images, which the worker generates, segments and scores against their truth."""
    from producer.demo import SeverityRange, submit_demo
    from shared.flows.synthetic import SyntheticSpec
    from shared.synth import DEFAULT_DEFINITION

    to = destination_of(folder, export, sheet=sheet)
    severities = SeverityRange.parse(severity)
    spec = SyntheticSpec(
        count=count,
        seed=seed,
        num_dots=num_dots,
        jitter=jitter,
        severity_from=severities.low,
        severity_to=severities.high,
        noise=noise,
        definition=definition or DEFAULT_DEFINITION,
    )
    display = Display()
    with _services() as services:
        if to:
            to.check_free(services.repository, None)
        with on_interrupt("interrupted; what was submitted is cancelled"):
            job_id = submit_demo(services, spec, priority=priority)
        said = f"submitted job {job_id}: {plural(count, 'synthetic image')}"
        _conclude(services, job_id, display, said, wait=wait, to=to, as_json=as_json)


@main.command()
@click.argument("reference", metavar="[JOB]", required=False)
@json_option
def status(reference: str | None, as_json: bool) -> None:
    """Show a job, or the newest jobs."""
    with _services() as services:
        if reference is not None:
            job = find_job(services, reference)
            _show(services, job, as_json=as_json)
            _tell_standstill(services, [job])
            return
        services.database.check()
        jobs = services.repository.jobs(limit=_STATUS_JOBS)
        if as_json:
            report.print_json({"jobs": [report.job_json(job) for job in jobs]})
        else:
            report.print_jobs(jobs)
        _tell_standstill(services, jobs)


@main.command()
@job_argument
@to_option
@format_option
@json_option
def watch(reference: str, folder: Path | None, export: Export, as_json: bool) -> None:
    """Follow a job to its end; the exit code says how it ended."""
    to = destination_of(folder, export)
    with _services() as services:
        job = find_job(services, reference)
        if to:
            to.check_free(services.repository, job)
        upload = f", {job.upload_words}" if job.upload_words else ""
        said = f"job {job.id} is {job.state}{upload}"
        _conclude(services, job.id, Display(), said, wait=True, to=to, as_json=as_json)


@main.command()
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
    with _services() as services:
        job = find_job(services, reference)
        if not job.state.is_final:
            display.line(f"note: the job is {job.state}, {plural(job.counts.finished, 'image')} of it done so far")
        if job.sealed_at is None:
            display.line("note: its upload is not complete; names that fall together with later ones will change")
        if not _download(services, job, to, display).is_complete:
            raise click.exceptions.Exit(ExitCode.SOME_FAILED)


main.add_command(export_command)
main.add_command(check_command)


@main.command()
@job_argument
def cancel(reference: str) -> None:
    """Cancel a job: what waits ends at once, what is at work ends without a result."""
    with _services() as services:
        job = services.repository.cancel(find_job(services, reference).id, by=Actor.of_text(user_at_host()))
        Display().line(f"cancelled job {job.id}: {plural(job.counts.succeeded, 'image')} had succeeded before")


@main.command()
@job_argument
@click.option(
    "--code", "codes", multiple=True, type=click.Choice(list(ItemErrorCode)), metavar="CODE",
    help="Only what failed with this error code; can be given several times.",
)  # fmt: skip
def retry(reference: str, codes: tuple[str, ...]) -> None:
    """Try again what failed or was cancelled in a job that has ended."""
    with _services() as services:
        found = find_job(services, reference)
        cut_short = services.repository.failures(found.id, ItemErrorCode.TRUNCATED)
        job = services.repository.retry(found.id, codes=codes, by=Actor.of_text(user_at_host()))
        with suppress(Retryable):  # the reconciler sends the hints that are not sent here
            services.dispatcher.fill()
        again = plural(job.counts.pending, "image")
        if left := job.counts.failed + job.counts.cancelled:
            again += f" (not {left:,} of which no source is stored: submit the files anew)"
        display = Display()
        display.line(f"job {job.id} runs again: {again}; `producer watch {job.id}` follows it")
        if cut_short:
            display.line(
                f"note: {plural(cut_short, 'image')} ended early, and what was uploaded then is what is tried again: "
                "if the file was still being written, submit it again"
            )


def _conclude(
    services: Services,
    job_id: str,
    display: Display,
    said: str,
    *,
    wait: bool,
    to: Destination | None = None,
    as_json: bool,
    repeatable: bool = False,
) -> None:
    """Say how the job was made, then leave it, or wait, download and report; end with the job's exit code.

    `repeatable`: the same command once more finds the job again, until it has come to its end here.
    """
    watch_command = to.watch_command(job_id) if to else f"producer watch {job_id}"
    follows = f"the same command or `{watch_command}` follows" if repeatable else f"`{watch_command}` follows"
    with on_interrupt(f"interrupted; the job goes on: {follows} it, `producer cancel {job_id}` stops it"):
        display.line(said)
        if not (wait or to):
            if as_json:
                report.print_json(report.job_json(services.repository.job(job_id)))
            else:
                click.echo(job_id)
                display.line(f"`producer watch {job_id}` follows it")
            return
        job = watch_job(services, job_id, display)
    done = _download(services, job, to, display) if to else None
    _show(services, job, as_json=as_json, downloaded=report.download_json(to.folder, done) if to and done else None)
    if repeatable:
        services.repository.await_end(job_id, waits=False)
    code = exit_code_of(job.state)
    if code is ExitCode.SUCCEEDED and done and not done.is_complete:
        code = ExitCode.SOME_FAILED
    raise click.exceptions.Exit(code)


def _tell_standstill(services: Services, jobs: Sequence[Job]) -> None:
    """Say whose upload has stopped, and whether nobody works on what is left."""
    display = Display()
    for line in filter(None, map(stopped_upload, jobs)):
        display.line(line)
    waiting = next(filter(None, (why_it_waits(services, job) for job in jobs)), None)
    if waiting:
        display.line(waiting)


def _download(services: Services, job: Job, to: Destination, display: Display) -> Download:
    with on_interrupt(f"interrupted; `{to.command(job.id)}` gets the rest"):
        return collect(services, job, to, display)


def _show(services: Services, job: Job, *, as_json: bool, downloaded: dict[str, Any] | None = None) -> None:
    summary = summarise(services.repository, job) if job.state.is_final else Summary()
    pace = pace_of(job, services.repository.worked_seconds(job))
    if not as_json:
        report.print_job(job, summary, pace)
        return
    value = report.job_json(job, pace) | (downloaded or {})
    if job.state.is_final:
        value["summary"] = summary.to_json()
    report.print_json(value)
