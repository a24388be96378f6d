"""The definitions of the task that are known, by name."""

from shared.errors import UsageError
from shared.synth.definition import Definition
from shared.synth.dotblob import DOTBLOB_V1
from shared.synth.field import FIELD_V1

DEFINITIONS: dict[str, Definition] = {definition.name: definition for definition in (DOTBLOB_V1, FIELD_V1)}

DEFAULT_DEFINITION = "dotblob-v1"
"""What is meant where no definition is named, as in jobs that were stored before there was a choice."""


def find_definition(name: str) -> Definition:
    """Return the definition of this name.

    Raises:
        UsageError: there is none.
    """
    if name not in DEFINITIONS:
        raise UsageError(f"there is no definition {name!r} of the task: use one of {', '.join(DEFINITIONS)}")
    return DEFINITIONS[name]
