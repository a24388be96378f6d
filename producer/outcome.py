"""How a command that makes or follows a job ends: it waits, downloads and reports as it was asked to."""

from typing import Any

import click

from producer import report
from producer.collect import Destination, collect
from producer.display import Display
from producer.download import Download
from producer.exits import exit_code_of
from producer.summary import Summary, summarise
from producer.watch import watch
from shared.commandline import ExitCode, on_interrupt
from shared.jobs.pace import pace_of
from shared.jobs.records import Job
from shared.services import Services


def conclude(
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
        job = watch(services, job_id, display)
    done = downloaded(services, job, to, display) if to else None
    show(services, job, as_json=as_json, files=report.download_json(to.folder, done) if to and done else None)
    if repeatable:
        services.repository.await_end(job_id, waits=False)
    code = exit_code_of(job.state)
    if code is ExitCode.SUCCEEDED and done and not done.is_complete:
        code = ExitCode.SOME_FAILED
    raise click.exceptions.Exit(code)


def downloaded(services: Services, job: Job, to: Destination, display: Display) -> Download:
    """Collect a job's results; an interruption is told how the rest is had."""
    with on_interrupt(f"interrupted; `{to.command(job.id)}` gets the rest"):
        return collect(services, job, to, display)


def show(services: Services, job: Job, *, as_json: bool, files: dict[str, Any] | None = None) -> None:
    """Print how a job stands, with the files that were downloaded of it, as a table or as one JSON object."""
    summary = summarise(services.repository, job) if job.state.is_final else Summary()
    pace = pace_of(job, services.repository.worked_seconds(job))
    if not as_json:
        report.print_job(job, summary, pace)
        return
    value = report.job_json(job, pace) | (files or {})
    if job.state.is_final:
        value["summary"] = summary.to_json()
    report.print_json(value)
