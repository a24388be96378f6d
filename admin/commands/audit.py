"""`admin audit`: whether the database and the object store say the same."""

import json
from functools import partial

import click

from shared.commandline import ExitCode, opened_services, plural
from shared.flows.lookup import find_job
from shared.upkeep.audit import GRACE_SECONDS, AuditReport, Finding, audit
from shared.upkeep.repair import Repair

_SHOWN = 50


@click.command("audit")
@click.argument("job", required=False)
@click.option("--deep", is_flag=True, help="Read and decode every object of a result too.")
@click.option(
    "--grace", default=GRACE_SECONDS, show_default=True, metavar="SECONDS",
    help="How long the reconciler may take for what is not yet tidied up.",
)  # fmt: skip
@click.option("--repair", is_flag=True, help="Mend what can be mended without a doubt, then look again.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.pass_context
def audit_command(
    context: click.Context, job: str | None, deep: bool, grace: float, repair: bool, as_json: bool
) -> None:
    """Check every row of JOB (an id, its last characters, or `last`), or of all jobs, against the object store.

    Safe while everything works. Ends with 0 where all is right, with 1 where something is not (any more).
    """
    with opened_services() as services:
        job_id = find_job(services, job).id if job else None
        look = partial(
            audit, services.database, services.store, job_id,
            deep=deep, grace=grace, max_attempts=services.settings.max_attempts,
        )  # fmt: skip
        report = look()
        if repair and not report.is_clean:
            for what, count in Repair(services.database, services.store).mend(report.findings).items():
                click.echo(what.of(count), err=as_json)
            report = look()
    if as_json:
        click.echo(json.dumps(report.as_dict()))
    else:
        _show(report)
    context.exit(ExitCode.SUCCEEDED if report.is_clean else ExitCode.SOME_FAILED)


def _show(report: AuditReport) -> None:
    for finding in report.findings[:_SHOWN]:
        click.echo(_line(finding))
    found = len(report.findings) + report.more
    if found > _SHOWN:
        click.echo(f"… and {found - _SHOWN:,} more; --json prints up to 10,000 of them")
    counted = ((report.jobs, "job"), (report.items, "item"), (report.objects, "object"))
    looked_at = ", ".join(plural(count, noun) for count, noun in counted)
    click.echo(f"{looked_at}: {'nothing is wrong' if report.is_clean else plural(found, 'finding')}")


def _line(finding: Finding) -> str:
    # A line that can be searched for: a table would cut ids and keys to the width of the terminal.
    of_job = f" job {finding.job}" if finding.job else ""
    of_item = f" item {finding.item}" if finding.item else ""
    return f"{finding.kind}:{of_job}{of_item}: {finding.detail}" if of_job else f"{finding.kind}: {finding.detail}"
