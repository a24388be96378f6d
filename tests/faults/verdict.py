"""What became of a run: the product's own audit, and what only those can know who submitted."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from shared.flows.items import all_items
from shared.jobs.records import Item
from shared.jobs.state import ItemStatus
from shared.services import Services
from shared.upkeep.audit import FindingKind, audit
from tests.faults.drivers import DrivenJob
from tests.faults.journal import Executions
from tests.faults.load import EXPECTED_ERROR, Content, PlannedItem
from tests.faults.world import SETTINGS

_CAP = int(SETTINGS["MAX_ATTEMPTS"])


@dataclass
class Verdict:
    """Counts, and what is wrong, a line each."""

    jobs: int = 0
    items: Counter[str] = field(default_factory=Counter)  # by state
    objects: int = 0
    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)  # of the audit
    extra_executions: int = 0
    begun: int = 0
    given_up: int = 0  # good images whose worker was killed as often as a poison image's

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.lost or self.duplicated or self.unexpected or self.findings)


def no_leftovers(services: Services) -> bool:
    """Whether no object is left that no row names."""
    report = audit(services.database, services.store, grace=0.0, max_attempts=_CAP)
    return all(finding.kind is not FindingKind.ORPHAN for finding in report.findings)


def judge(services: Services, jobs: Sequence[DrivenJob], executions: Executions) -> Verdict:
    """Look at everything, after all jobs have ended."""
    verdict = Verdict(begun=executions.began.total())
    for job in jobs:
        if len(job.ids) != 1:
            verdict.duplicated.append(f"{job.planned.name} was submitted once and is {len(job.ids)} jobs: {job.ids}")
        for job_id in job.ids:
            verdict.jobs += 1
            _judge_job(verdict, job, job_id, all_items(services.repository, job_id))
    known = {job_id for job in jobs for job_id in job.ids}
    strangers = [job.id for job in services.repository.jobs(limit=100_000) if job.id not in known]
    verdict.unexpected += [f"nobody submitted job {job_id}" for job_id in strangers]
    verdict.duplicated += [
        f"item {item_id} succeeded {times} times" for item_id, times in executions.succeeded.items() if times > 1
    ]
    report = audit(services.database, services.store, deep=True, grace=0.0, max_attempts=_CAP)
    verdict.objects = report.objects
    verdict.findings = [f"{finding.kind}: job {finding.job}: {finding.detail}" for finding in report.findings]
    return verdict


def _judge_job(verdict: Verdict, job: DrivenJob, job_id: str, items: Iterable[Item]) -> None:
    planned = {item.path: item for item in job.planned.items}
    found: Counter[str] = Counter()
    for item in items:
        found[item.path] += 1
        verdict.items[item.state] += 1
        expected = planned.get(item.path)
        if expected is None:
            verdict.unexpected.append(f"{job.planned.name}: nobody submitted {item.path}")
            continue
        if expected.content is not Content.POISON:
            verdict.extra_executions += max(0, item.attempts - 1)
        if _is_given_up(item, expected):
            verdict.given_up += 1
        elif reason := _surprise(item, expected, may_be_cancelled=job.cancel_asked and not job.retried):
            verdict.unexpected.append(f"{job.planned.name} ({job_id}) {item.path}: {reason}")
    verdict.lost += [f"{job.planned.name} ({job_id}): {path}" for path in planned if not found[path]]
    verdict.duplicated += [f"{job.planned.name} ({job_id}): {path}" for path, times in found.items() if times > 1]


def _is_given_up(item: Item, expected: PlannedItem) -> bool:
    is_crashed = item.error_code == EXPECTED_ERROR[Content.POISON] and item.attempts == _CAP
    return is_crashed and expected.content is not Content.POISON


def _surprise(item: Item, expected: PlannedItem, *, may_be_cancelled: bool) -> str:
    """What differs from what had to become of an item; empty where nothing does."""
    if may_be_cancelled and item.state is ItemStatus.CANCELLED:
        return ""
    if expected.content is Content.GOOD:
        if item.state is not ItemStatus.SUCCEEDED:
            return f"is {item.state} ({item.error_code}: {item.error})"
        if (item.height, item.width) != expected.size:
            return f"has a result of {item.height}×{item.width}, and is {expected.size[0]}×{expected.size[1]}"
        return ""
    code = EXPECTED_ERROR[expected.content]
    if (item.state, item.error_code) != (ItemStatus.FAILED, code):
        return f"is {item.state} ({item.error_code}: {item.error}), and should have failed with {code}"
    return ""
