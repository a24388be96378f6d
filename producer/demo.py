"""Starting a synthetic job: scenes that the worker generates, segments and scores against their truth."""

from dataclasses import dataclass

from shared.commandline import plural
from shared.errors import UsageError
from shared.flows.synthetic import SyntheticSpec, submit_synthetic
from shared.identity import user_at_host
from shared.jobs.records import Priority
from shared.services import Services


@dataclass(frozen=True)
class SeverityRange:
    """Severities from one number to another, in [0, 1]."""

    low: float
    high: float

    @classmethod
    def parse(cls, text: str) -> "SeverityRange":
        """Read `0.5` or `0:1`.

        Raises:
            UsageError: it is anything else.
        """
        first, colon, last = text.partition(":")
        try:
            return cls(float(first), float(last if colon else first))
        except ValueError as error:
            raise UsageError(f"severity is {text!r}: give a number such as 0.5, or a range such as 0:1") from error


def submit_demo(
    services: Services,
    spec: SyntheticSpec,
    *,
    priority: Priority,
    model: str | None = None,
    threshold: float | None = None,
) -> str:
    """Make a synthetic job and return its id.

    Raises:
        UsageError: there is no such model.
        ConfigurationError: the services cannot be used as the settings say. No job is made.
        Retryable: a service went away on the way.
    """
    services.check()
    name = f"demo of {plural(spec.count, 'scene')}, seed {spec.seed}"
    by_api = getattr(services.repository, "submit_synthetic", None)
    if by_api is not None:  # which makes the images' rows itself
        return str(by_api(spec, name=name, priority=priority, model=model, threshold=threshold))
    return submit_synthetic(
        services,
        spec,
        name=name,
        submitted_by=user_at_host(),
        priority=priority,
        model=model,
        threshold=threshold,
    )
