"""What somebody did or tried at the admin, as lines of the log: who, from where, what, and how it ended.

docs/monitoring.md lists the actions. What a stranger can cause at will is written so often a minute for an address;
the first line after that says how many were left out.
"""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from flask import g, request

from admin.web.guard.network import client_network

LINES_A_MINUTE = 10
_MAX_ADDRESSES = 1000  # of which lines are counted
_SHOWN_CHARACTERS = 64

log = logging.getLogger(__name__)


@dataclass
class _Window:
    since: float
    lines: int = 0
    unsaid: int = 0


class Throttle:
    """Counts the lines of each action and address, over a minute from the first."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._windows: OrderedDict[tuple[str, str], _Window] = OrderedDict()

    def admit(self, action: str, address: str) -> int | None:
        """Return how many lines were left out since the last one; None where this one is left out too."""
        now = self._clock()
        with self._lock:
            window = self._windows.setdefault((action, client_network(address)), _Window(now))
            if now - window.since >= 60:
                window.since, window.lines = now, 0
            if window.lines >= LINES_A_MINUTE:
                window.unsaid += 1
                return None
            window.lines += 1
            unsaid, window.unsaid = window.unsaid, 0
            while len(self._windows) > _MAX_ADDRESSES:
                self._windows.popitem(last=False)
            return unsaid


_throttle = Throttle()


def note(action: str, what: str, *, account: str | None = None, outcome: str = "ok", level: int = logging.INFO) -> None:
    """Write a line about the request in work; `account` is a name that was only tried."""
    _write(action, what, account=account, outcome=outcome, level=level, unsaid=0)


def note_refusal(action: str, what: str, *, account: str | None = None, outcome: str = "refused") -> None:
    """Write a line about something that was refused, as long as its address did not cause too many."""
    unsaid = _throttle.admit(action, request.remote_addr or "")
    if unsaid is not None:
        _write(action, what, account=account, outcome=outcome, level=logging.WARNING, unsaid=unsaid)


def shown(text: str) -> str:
    """Return a text of a client's for the log: the start of it, in one line."""
    cut = text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
    return "".join(character if character.isprintable() else f"\\u{ord(character):04x}" for character in cut)


def _write(action: str, what: str, *, account: str | None, outcome: str, level: int, unsaid: int) -> None:
    known, token = g.get("account"), g.get("token")
    name = account if account is not None else known.name if known else ""
    fields = {
        "account": shown(name),
        "token": token.name if token else "",
        "address": request.remote_addr or "",
        "outcome": outcome,
    }
    extra = {"action": action} | {field: value for field, value in fields.items() if value}
    by = f" by {fields['account']}" if name else ""
    using = f" with the token {fields['token']}" if token else ""
    more = f" ({unsaid} more were not written down)" if unsaid else ""
    if unsaid:
        extra["unsaid"] = str(unsaid)
    job = (request.view_args or {}).get("job_id")
    if job:
        extra["job"] = str(job)
    log.log(level, "%s%s%s from %s: %s%s", what, by, using, fields["address"], outcome, more, extra=extra)
