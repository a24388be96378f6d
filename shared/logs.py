"""Logging of every process: plain lines to a terminal, one JSON object a line everywhere else.

Code logs through the standard library and gives ids as `extra`: `log.info("…", extra={"action": "claimed",
"job": …, "shard": …, "item": …})`. `action` is a stable word to search for; the text is for people.
"""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

FIELDS = ("action", "worker", "job", "shard", "item")
"""The extras that are written out."""

# They log each request, task or connection at INFO, which drowns our own lines.
_CHATTY = ("alembic", "amqp", "boto3", "botocore", "celery", "kombu", "PIL", "s3transfer", "tifffile", "urllib3")


def setup_logging(level: str, stream: TextIO | None = None) -> None:
    """Send the log of this process to `stream` (standard error), from `level` ("DEBUG" to "ERROR") up."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_PlainFormatter() if (stream or sys.stderr).isatty() else _JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(True)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.NOTSET if level == "DEBUG" else max(logging.WARNING, _number(level)))


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
        return json.dumps(line, ensure_ascii=False, default=str)


class _PlainFormatter(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", datefmt="%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        ids = " ".join(f"{name}={value}" for name, value in _extras(record).items() if name != "action")
        line = super().formatMessage(record)
        return f"{line}  [{ids}]" if ids else line


def _extras(record: logging.LogRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}


def _number(level: str) -> int:
    return logging.getLevelNamesMapping()[level]
