"""`admin prune`: remove old jobs now, or their sources alone."""

import re

import click

from shared.commandline import opened_services, plural
from shared.errors import UsageError
from shared.upkeep.retention import TIDY_AFTER_LEASES, Retention, RetentionRules

_AGE = re.compile(r"(\d{1,6}(?:\.\d+)?)([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


@click.command("prune")
@click.option("--older-than", required=True, metavar="AGE", help="Since their end: 30d, 12h, 8w …")
@click.option("--sources-only", is_flag=True, help="Remove the sources of these jobs, and keep results and rows.")
@click.option("--dry-run", is_flag=True, help="Print which jobs these are, and change nothing.")
def prune_command(older_than: str, sources_only: bool, dry_run: bool) -> None:
    """Remove jobs that ended AGE ago or earlier: objects first, then rows. Published models stay.

    It can be interrupted at any point: the reconciler, or this command again, goes on with what was begun.
    """
    age = seconds_of(older_than)
    with opened_services() as services:
        rules = RetentionRules(
            tidy_after=TIDY_AFTER_LEASES * services.settings.lease_seconds,
            remove_sources_after=age if sources_only else None,
            remove_jobs_after=None if sources_only else age,
        )
        retention = Retention(services.database, services.store, rules)
        due = retention.due(sources_only=sources_only)
        if dry_run:
            for job_id in due:
                click.echo(job_id)
        else:
            while retention.step():
                pass
    removes = "the sources of " if sources_only else ""
    click.echo(f"{'would remove' if dry_run else 'removed'} {removes}{plural(len(due), 'job')}")


def seconds_of(age: str) -> float:
    """Return the seconds of an age such as `30d`.

    Raises:
        UsageError: it is no age.
    """
    match = _AGE.fullmatch(age.strip().lower())
    if match is None:
        raise UsageError(f"{age!r} is no age: give a number with s, m, h, d or w, such as 30d")
    return float(match[1]) * _SECONDS[match[2]]
