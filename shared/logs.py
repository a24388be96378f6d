"""Logging of every process: plain lines to a terminal, one JSON object a line everywhere else.

Code logs through the standard library and names what happened as `extra={"action": "claimed"}`: a stable word to
search for; the text is for people. The ids of what a line is about are set once, around the work: `log_ids(job=…)`
for a block in one thread, `log_process_ids(worker=…)` for the whole process. A line's own `extra` wins over both.
"""

import json
import logging
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, TextIO

IDS = ("worker", "job", "shard", "item", "request")
WHO = ("account", "token", "address", "outcome", "unsaid")
"""Of what somebody asked of the admin, see docs/monitoring.md."""
FIELDS = ("action", *IDS, *WHO)
"""The extras that are written out."""

log = logging.getLogger(__name__)

# They log each request, task or connection at INFO, which drowns our own lines.
_CHATTY = ("alembic", "amqp", "boto3", "botocore", "celery", "kombu", "PIL", "s3transfer", "tifffile", "urllib3")

# At DEBUG they write each request with the headers that it is signed by, and so the access key.
_INDISCREET = ("botocore", "boto3", "s3transfer")

_process_ids: dict[str, str] = {}
_block_ids: ContextVar[Mapping[str, str]] = ContextVar("log_ids", default={})  # noqa: B039 - never written to


def setup_logging(level: str, stream: TextIO | None = None) -> None:
    """Send the log of this process to `stream` (standard error), from `level` ("DEBUG" to "ERROR") up."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_PlainFormatter() if (stream or sys.stderr).isatty() else _JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(True)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.NOTSET if level == "DEBUG" else max(logging.WARNING, _number(level)))
    for name in _INDISCREET:
        logging.getLogger(name).setLevel(max(logging.INFO, logging.getLogger(name).level))


@contextmanager
def log_ids(**ids: str) -> Iterator[None]:
    """Put these ids (of IDS) on every line that this thread logs inside, those of libraries included."""
    before = _block_ids.set({**_block_ids.get(), **ids})
    try:
        yield
    finally:
        _block_ids.reset(before)


def log_process_ids(**ids: str) -> None:
    """Put these ids (of IDS) on every line of this process from now on."""
    _process_ids.update(ids)


def log_uncaught() -> None:
    """Log what nobody catches, in any thread, as lines like all others instead of bare tracebacks.

    For processes that run as services; Ctrl-C stays as it is.
    """
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread


def json_line(level: str, logger: str, message: str) -> str:
    """Return a line of the log, for the few who cannot go through `logging`."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    line = {"time": now, "level": level, "logger": logger, "message": message}
    return json.dumps(line | _current_ids(), ensure_ascii=False, default=str)


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        } | _extras(record)
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = self.formatStack(record.stack_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class _PlainFormatter(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", datefmt="%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        ids = " ".join(f"{name}={value}" for name, value in _extras(record).items() if name in IDS)
        line = super().formatMessage(record)
        return f"{line}  [{ids}]" if ids else line


def _current_ids() -> dict[str, str]:
    return {**_process_ids, **_block_ids.get()}


def _extras(record: logging.LogRecord) -> dict[str, Any]:
    given = {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
    found: dict[str, Any] = {**_current_ids(), **given}
    return {name: found[name] for name in FIELDS if name in found}


def _uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if not issubclass(kind, Exception):
        sys.__excepthook__(kind, error, traceback)
        return
    log.critical("a defect ends this process", exc_info=(kind, error, traceback), extra={"action": "defect"})


def _uncaught_in_thread(failed: threading.ExceptHookArgs) -> None:
    if failed.exc_value is None or not issubclass(failed.exc_type, Exception):
        return  # SystemExit ends a thread without a word
    name = failed.thread.name if failed.thread else "?"
    error = (failed.exc_type, failed.exc_value, failed.exc_traceback)
    log.critical("a defect ended the thread %s", name, exc_info=error, extra={"action": "defect"})


def _number(level: str) -> int:
    return logging.getLevelNamesMapping()[level]
