"""What the shipped weights are held to, and which figure of an evaluation says whether they keep it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Target:
    """One figure, and what it is to be at least."""

    name: str
    goal: float
    path: tuple[str, ...]  # of the figure in the results of a model
    is_share: bool = False  # shown in percent
    is_most: bool = False  # the goal is what it may be at most

    def measured(self, results: Mapping[str, Any]) -> float | None:
        """Return the figure; None where the evaluation has no such part."""
        found: Any = results
        for key in self.path:
            found = found.get(key) if isinstance(found, Mapping) else None
        return None if found is None else float(found)

    def is_met(self, value: float) -> bool:
        """Tell whether a figure keeps the target."""
        return value <= self.goal if self.is_most else value >= self.goal

    def shown(self, value: float) -> str:
        """Return a figure as tables have it."""
        return f"{value:.0%}" if self.is_share else f"{value:.3f}"


def _probe(name: str, goal: float, probe: str) -> Target:
    return Target(name, goal, ("probes", "kinds", probe, "dice"))


TARGETS = (
    Target("dotblob-v1 val", 0.862, ("val", "dice")),
    Target("dotblob-v1 clean", 0.905, ("clean", "dice")),
    Target("dotblob-v1 val, ECE", 0.02, ("val", "ece"), is_most=True),
    Target("empty pictures: under 0.5 % foreground", 0.95, ("probes", "nothing", "left_empty"), is_share=True),
    _probe("2048² with one usual shape", 0.85, "2048 px, one usual shape"),
    _probe("nine cells, one filled", 0.85, "nine cells, one filled"),
    _probe("clutter 10 % of the density inside", 0.80, "clutter 10 %"),
    _probe("ramp 50 %", 0.88, "ramp 50 %"),
    _probe("bright patch 30 %", 0.88, "bright patch 30 %"),
    _probe("clouds 15 %", 0.85, "clouds 15 %"),
    _probe("white margin", 0.89, "white margin"),
    _probe("white frame", 0.89, "white frame"),
    _probe("lumpy noise, σ 2 px", 0.80, "lumpy noise, σ 2 px"),
    _probe("JPEG 30 on noise", 0.88, "JPEG 30"),
    _probe("median 3 on noise", 0.88, "median 3"),
    _probe("three shapes", 0.86, "three shapes"),
    _probe("tiny shape", 0.75, "tiny shape"),
    _probe("128 px", 0.85, "128 px"),
    Target("families that nobody trained on, mean", 0.80, ("probes", "held_out", "dice")),
    Target('… wrongly answered "nothing"', 0.05, ("probes", "held_out", "answered_nothing"), True, True),
    Target("quality: AUROC on unseen groups", 0.96, ("trust", "headline", "auroc_unseen")),
    Target("quality: flagged among good results", 0.05, ("trust", "headline", "good_flagged"), True, True),
    Target("good results called unfamiliar", 0.05, ("trust", "headline", "good_called_unfamiliar"), True, True),
    Target(
        "photographs and textures called unfamiliar", 0.90, ("foreign", "headline", "called_unfamiliar"), is_share=True
    ),
)
"""Dice unless named otherwise."""
