"""One step of what happens to an image."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """An effect, a name of `shared.synth.field.effects`, and the numbers that it takes."""

    kind: str
    values: tuple[float, ...] = ()
