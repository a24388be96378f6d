"""The reconciler: a plain loop that makes SQL come true, whatever was lost on the way.

Each round ends the jobs whose items have all ended, frees the leases that ran out, sends the hints that are due, and
does a small piece of what jobs leave to be done after their end. Now and then it ends what nobody goes on submitting.
Several reconcilers at once are safe. It is no queued task, so that it works when the queue does not.
"""

import logging
import threading
import time
from dataclasses import dataclass

from shared.errors import DatabaseUnavailable, DelineateError, Retryable
from shared.jobs import clock
from shared.jobs.claims import Claims
from shared.jobs.metrics import LAST_ROUND
from shared.jobs.repository import Repository
from shared.jobs.retries import go_on_with_all
from shared.queue.dispatch import Dispatcher
from shared.upkeep.bulk import BulkRunner
from shared.upkeep.retention import Retention
from shared.upkeep.tally import tally

log = logging.getLogger(__name__)

_TOLERATED_JUMP_SECONDS = 1.0  # of the database's clock: one that is set right by a little

# Every wait within a round has a time-out of its own, all of them together far below this.
_MAX_ROUND_SECONDS = 120.0
# How long retention works in a round, and how long it rests where nothing is due, or a service is away.
_RETENTION_SECONDS_A_ROUND = 0.5
_RETENTION_PAUSE_SECONDS = 5.0
_RETENTION_PAUSE_AWAY_SECONDS = 30.0
_ABANDONED_PAUSE_SECONDS = 5.0


@dataclass(frozen=True)
class Round:
    """What one round did."""

    freed: int
    closed: int
    published: int


class Reconciler:
    """Closes, frees and resends, a round every `interval` seconds."""

    def __init__(
        self,
        repository: Repository,
        claims: Claims,
        dispatcher: Dispatcher,
        *,
        interval: float,
        retention: Retention | None = None,
        abandon_after: float | None = None,
    ) -> None:
        self.repository = repository
        self.claims = claims
        self.dispatcher = dispatcher
        self.interval = interval
        self.retention = retention
        self.abandon_after = abandon_after
        self._bulk = BulkRunner(repository)
        self._looks_for_abandoned_from = 0.0
        self._retention_rests_until = 0.0
        self._was_slow = False
        self._moved_at = self._expires_from = time.monotonic()
        self._clock: clock.Reading | None = None
        self._may_be_behind = True  # the clock, compared with what stands in the database: it may have been set back

    def round(self) -> Round:
        """Do one round; Retryable where database or broker is away."""
        asked = time.monotonic()
        go_on_with_all(self.repository.database)
        closed = self.repository.close_finished()
        slow = time.monotonic() - asked > self.claims.lease_seconds / 4
        if slow and not self._was_slow:  # one that is slow each time does not hang: it would never free a lease
            self._wait_for_renewals()  # a database that hung, or this process did
        self._was_slow = slow
        now = self._watch_clock()
        freed = self._free(now) if time.monotonic() >= self._expires_from else 0
        published = self.dispatcher.fill()
        self._end_abandoned()
        tally(self.claims.database)
        self._bulk.round()
        self._retain()
        return Round(freed=freed, closed=closed, published=published)

    def _watch_clock(self) -> float:
        """Return the time of the database's clock; where it has jumped nothing is freed for a while."""
        reading = clock.read(self.claims.database)
        jump = reading.jump_since(self._clock) if self._clock else 0.0
        self._clock = reading
        if abs(jump) > max(_TOLERATED_JUMP_SECONDS, self.claims.lease_seconds / 4):
            log.warning("the database's clock jumped by %+.0f s", jump, extra={"action": "clock_jumped"})
            self._wait_for_renewals()
            self._may_be_behind = self._may_be_behind or jump < 0
        return reading.wall

    def _free(self, now: float) -> int:
        if self._may_be_behind:
            clock.pull_back(self.claims.database, lease_seconds=self.claims.lease_seconds)
            self._may_be_behind = False
        return self.claims.expire(now)

    def _end_abandoned(self) -> None:
        # After a jump of the clock or an outage those who live have to be heard first, as with leases.
        from_when = max(self._looks_for_abandoned_from, self._expires_from)
        if self.abandon_after is None or time.monotonic() < from_when:
            return
        if ended := self.repository.end_abandoned(after=self.abandon_after):
            log.info("ended %d submissions that nobody went on with", ended, extra={"action": "submissions_abandoned"})
        self._looks_for_abandoned_from = time.monotonic() + _ABANDONED_PAUSE_SECONDS

    def _wait_for_renewals(self) -> None:
        """Free nothing before those who live have renewed their leases, which they could not do for some time.

        Their images would be given to others, and lose an attempt, for an outage that is no fault of theirs.
        """
        # They renew four times a lease, and ask each second while the database is away.
        self._expires_from = time.monotonic() + self.claims.lease_seconds / 2

    def _retain(self) -> None:
        """Do a little of what is left to do after jobs' ends; what is away here holds up nothing else."""
        if self.retention is None or time.monotonic() < self._retention_rests_until:
            return
        until = time.monotonic() + _RETENTION_SECONDS_A_ROUND
        try:
            while self.retention.step():
                if time.monotonic() > until:
                    return
        except DelineateError as error:
            log.warning("removing old objects waits: %s", error, extra={"action": "retention_waits"})
            self._retention_rests_until = time.monotonic() + _RETENTION_PAUSE_AWAY_SECONDS
        except Exception:
            # What crashed workers held, and what waits for a hint, does not wait for this to be mended.
            log.exception("a defect in removing old objects", extra={"action": "retention_fails"})
            self._retention_rests_until = time.monotonic() + _RETENTION_PAUSE_AWAY_SECONDS
        else:
            self._retention_rests_until = time.monotonic() + _RETENTION_PAUSE_SECONDS

    @property
    def is_live(self) -> bool:
        """Whether `run` goes round, be it that each round fails; False where one hangs."""
        return time.monotonic() - self._moved_at < self.interval + _MAX_ROUND_SECONDS

    def run(self, stop: threading.Event) -> None:
        """Do rounds until `stop` is set; an outage is logged once and waited out."""
        self._wait_for_renewals()  # an outage may just have ended, be it one that took the reconciler with it
        away = False
        while not stop.is_set():
            self._moved_at = time.monotonic()
            try:
                done = self.round()
            except Retryable as error:
                if isinstance(error, DatabaseUnavailable):
                    self._wait_for_renewals()
                if not away:
                    log.warning("reconciler waits: %s", error, extra={"action": "reconciler_waits"})
                away = True
            else:
                if away:
                    log.info("reconciler goes on", extra={"action": "reconciler_resumes"})
                away = False
                LAST_ROUND.set_to_current_time()
                if done.freed or done.closed:
                    log.info(
                        "freed %d leases, ended %d jobs, sent %d hints",
                        done.freed, done.closed, done.published, extra={"action": "reconciled"},
                    )  # fmt: skip
            self._pause(stop)

    def _pause(self, stop: threading.Event) -> None:
        begun = time.monotonic()
        stop.wait(self.interval)
        if time.monotonic() - begun > self.interval + self.claims.lease_seconds / 4:
            self._wait_for_renewals()  # this process was stopped, and maybe the whole machine with it
