"""The table at the end of a run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.faults.drivers import DrivenJob
from tests.faults.points import Point
from tests.faults.verdict import Verdict

_MAX_LINES = 20  # of each sort of violation


@dataclass(frozen=True)
class Outcome:
    """All that a run gave."""

    title: str
    verdict: Verdict
    injected: Mapping[str, int]
    not_reached: Sequence[Point]
    unfinished: Sequence[str]  # jobs that did not end, parts that did not come back
    jobs: Sequence[DrivenJob]
    restarts: int
    drained: float  # seconds from the last fault to the last job's end

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong."""
        return self.verdict.is_clean and not self.unfinished


def report(outcome: Outcome) -> str:
    """The outcome as text for a terminal or a log."""
    verdict = outcome.verdict
    total = verdict.items.total()
    single = sorted(job.waited for job in outcome.jobs if len(job.planned.items) == 1 and job.waited)
    rows = [
        ("jobs", f"{verdict.jobs}"),
        ("items", f"{total}: " + ", ".join(f"{count} {state}" for state, count in sorted(verdict.items.items()))),
        ("objects audited", f"{verdict.objects}"),
        ("faults injected", f"{sum(outcome.injected.values())}"),
        *((f"  {kind}", f"{count}") for kind, count in sorted(outcome.injected.items())),
        ("armed, nobody came", ", ".join(outcome.not_reached) or "none"),
        ("processes started again", f"{outcome.restarts}, those of the standalone not counted"),
        ("extra executions", f"{verdict.extra_executions} ({_percent(verdict.extra_executions, total)})"),
        ("executions in all", f"{verdict.begun}"),
        ("good images given up", f"{verdict.given_up}, after as many crashes as a poison image has"),
        (
            "single image, median wait",
            f"{single[len(single) // 2]:.1f} s, longest {single[-1]:.1f} s" if single else "–",
        ),
        ("all ended after the faults in", f"{outcome.drained:.1f} s"),
        ("lost", f"{len(verdict.lost)}"),
        ("duplicated", f"{len(verdict.duplicated)}"),
        ("not as expected", f"{len(verdict.unexpected)}"),
        ("findings of the audit", f"{len(verdict.findings)}"),
        ("not ended by itself", f"{len(outcome.unfinished)}"),
    ]
    width = max(len(name) for name, _ in rows)
    lines = [outcome.title, *(f"{name:<{width}}  {value}" for name, value in rows)]
    for sort in (verdict.lost, verdict.duplicated, verdict.unexpected, verdict.findings, outcome.unfinished):
        lines += [f"VIOLATION {line}" for line in sort[:_MAX_LINES]]
        lines += [f"VIOLATION … and {len(sort) - _MAX_LINES} more"] if len(sort) > _MAX_LINES else []
    lines.append("clean" if outcome.is_clean else "NOT CLEAN")
    return "\n".join(lines)


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f} %" if whole else "–"
