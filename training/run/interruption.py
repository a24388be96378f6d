"""A polite end: SIGTERM and Ctrl-C let the present step finish; a second one ends the process at once."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopNow(BaseException):
    """A signal has come while nothing was changed that has to be finished; no `except Exception` stops it."""


class Interruption:
    """A context in which signals are noted, and tell that the process should stop. For the main thread."""

    def __init__(self) -> None:
        self.signal_name = ""
        self._raises = False
        self._previous: dict[int, Any] = {}

    def asked(self) -> bool:
        """Whether a signal has come."""
        return bool(self.signal_name)

    @contextmanager
    def at_once(self, wanted: bool = True) -> Iterator[None]:
        """Have a signal end what is done inside, where that is wanted.

        Raises:
            StopNow: a signal comes, or has come before.
        """
        self._raises = wanted
        try:
            if wanted and self.signal_name:
                raise StopNow
            yield
        finally:
            self._raises = False

    def __enter__(self) -> Self:
        self._previous = {number: signal.signal(number, self._note) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.signal_name = signal.Signals(number).name
        self._restore()
        if self._raises:
            raise StopNow

    def _restore(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
