"""Cloning: the inputs of a job once more, with another model, threshold or scale. Nothing is copied but rows."""

from shared.flows.hints import Hints
from shared.flows.submission import seal
from shared.jobs.clones import CloneChanges, unsealed_clone
from shared.jobs.records import Job, Priority
from shared.services import Services


def clone(
    services: Services, job: Job, changes: CloneChanges, *, submitted_by: str, name: str = "", priority: Priority
) -> str:
    """Make a job over the inputs of another, which stay where they are, and return its id.

    Whatever is not among the changes it has of that job. Without a name it says of what it is a clone.

    Raises:
        UsageError: it has no inputs, too many, or not all of them; a value is out of range; there is no such model.
        Retryable: a service went away, and no clone stays.
    """
    hints = Hints(services, priority)
    clone_id = unsealed_clone(
        services.repository,
        job,
        changes,
        submitted_by=submitted_by,
        name=name,
        priority=priority,
        after_shard=hints.send,
    )
    seal(services, clone_id)
    return clone_id
