"""What the children print: every line into a log file of bounded size, the noteworthy ones to the terminal."""

import json
import logging
from collections.abc import Callable
from logging.handlers import RotatingFileHandler
from pathlib import Path

# Two files of this size a child, however long the stack runs.
_LOG_BYTES = 5 * 2**20
_MAX_LINE_BYTES = 64 * 1024
_NOTEWORTHY = ("WARNING", "ERROR", "CRITICAL")


class Output:
    """The output of one child, over all its lives."""

    def __init__(self, name: str, folder: Path, *, say: Callable[[str], None], verbose: bool) -> None:
        """Lines go to `folder/name.log`, and by `say` those to the terminal that warn, or with `verbose` all."""
        self._name = name
        self._say = say
        self._verbose = verbose
        self._rest = b""
        self.path = folder / f"{name}.log"
        self._error = self._last_line = ""
        self._log = RotatingFileHandler(self.path, maxBytes=_LOG_BYTES, backupCount=1, encoding="utf-8")

    def feed(self, data: bytes) -> None:
        """Take what the child wrote, cut anywhere."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._line(line)
        if len(self._rest) > _MAX_LINE_BYTES:
            self.flush()

    def flush(self) -> None:
        """Take what is left as a line: the child has ended."""
        if self._rest:
            self._line(self._rest)
        self._rest = b""

    def start_life(self) -> None:
        """Forget what was said in the life before: it does not explain how this one ends."""
        self._error = self._last_line = ""

    @property
    def last_words(self) -> str:
        """The reason that the child gave with its exit code, or else its last line."""
        return self._error or self._last_line

    def close(self) -> None:
        """Close the log file."""
        self.flush()
        self._log.close()

    def _line(self, raw: bytes) -> None:
        text = raw.decode(errors="replace").rstrip()
        self._log.emit(logging.makeLogRecord({"msg": "%s", "args": (text,)}))
        level, message = _parse(text)
        self._last_line = message or self._last_line
        for prefix in ("error: ", f"{self._name}: "):
            # The reason for an exit code is told together with it, not as a line of its own.
            if not level and text.startswith(prefix):
                self._error = text.removeprefix(prefix)
                return
        if self._verbose or level in _NOTEWORTHY:
            self._say(f"{self._name}: {level} {message}" if level else f"{self._name}: {message}")


def _parse(line: str) -> tuple[str, str]:
    """Return level and message of a line of the log, or no level where it is none; see `shared.logs`."""
    try:
        record = json.loads(line)
        return str(record["level"]), " ".join(str(record["message"]).split())
    except (ValueError, KeyError, TypeError):
        return "", line
