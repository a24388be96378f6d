"""The command that starts a job over the images of another."""

import click

from producer.access import opened
from producer.display import Display
from producer.options import job_argument, priority_option
from shared.commandline import plural
from shared.flows.cloning import clone as cloned
from shared.flows.lookup import find_job
from shared.identity import user_at_host
from shared.jobs.clones import ACTIVE_WORD, OWN_WORD, CloneChanges, changes_of_words
from shared.jobs.records import Job, Priority
from shared.services import Services


@click.command()
@job_argument
@click.option(
    "--model",
    default="",
    metavar=f"NAME|{ACTIVE_WORD}",
    help="The published model that segments them, by its name or four or more digits of its SHA-256, or the active "
    "one.",
)
@click.option(
    "--threshold",
    default="",
    metavar=f"P|{OWN_WORD}",
    help="Foreground is what is as probable or more, between 0 and 1; or the model's own.",
)
@click.option(
    "--scale", default="", metavar="S|auto", help="Resample by S for the network, 0.1 to 4, or each by its dots."
)
@click.option("--name", default="", help="Name of the clone. Without it: the job's, with “, again”.")
@priority_option
def clone(reference: str, model: str, threshold: str, scale: str, name: str, priority: Priority) -> None:
    """Start a job over the images of another, with another model, threshold or scale.

    What is not given is as in that job. No image is copied.
    """
    changes = changes_of_words(model, threshold, scale)
    with opened() as services:
        job = find_job(services, reference)
        clone_id = _clone(services, job, changes, name=name, priority=priority)
        images = plural(job.counts.total, "image")
        Display().line(f"job {clone_id} segments the {images} of {job.id}; `producer watch {clone_id}` follows it")


def _clone(services: Services, job: Job, changes: CloneChanges, *, name: str, priority: Priority) -> str:
    by_api = getattr(services.repository, "clone", None)
    if by_api is not None:  # which reads the rows of the images itself
        return str(by_api(job.id, changes, name=name, priority=priority))
    return cloned(services, job, changes, submitted_by=user_at_host(), name=name, priority=priority)
