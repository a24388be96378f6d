"""The Prometheus metrics that several kinds of process count.

Each process counts what it did itself, since it started; Prometheus adds the processes up. All names are described
in docs/monitoring.md, which a test compares with the registry. Those of the worker alone are in `worker.metrics`,
those read from the database in `admin.web.metrics`.
"""

from prometheus_client import Counter, Gauge

from shared.errors import ItemErrorCode
from shared.jobs.state import ItemStatus

IMAGES = Counter("delineate_images", "Images that this process brought to an end.", ["outcome"])
FAILURES = Counter("delineate_failures", "Images that failed, by the code of the reason.", ["code"])
LEASE_EXPIRIES = Counter(
    "delineate_lease_expiries", "Images whose lease ran out: their worker crashed, hung or was cut off.", ["outcome"]
)
HINTS = Counter("delineate_hints", "Messages sent to the queue, those sent again included.")
DROPPED_HINTS = Counter("delineate_hints_dropped", "Messages of the queue that were no hints, and were dropped.")
LAST_ROUND = Gauge(
    "delineate_reconciler_last_round_timestamp_seconds", "When this reconciler last ended a round that went well."
)

# A label that was never counted is missing from the answer, and `rate` misses its first step.
for _outcome in (ItemStatus.SUCCEEDED, ItemStatus.FAILED, ItemStatus.CANCELLED):
    IMAGES.labels(_outcome.value)
for _code in ItemErrorCode:
    FAILURES.labels(_code.value)
for _step in ("retried", "failed"):
    LEASE_EXPIRIES.labels(_step)
