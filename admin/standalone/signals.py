"""Signals as messages: received at any time, handled in the supervisor's loop."""

import signal
import socket
from collections import deque
from types import FrameType, TracebackType
from typing import Any, Self

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class SignalInbox:
    """Collects the signals that ask to stop; `fileno` becomes readable with each of them and when a child ends."""

    def __init__(self) -> None:
        self._requests: deque[signal.Signals] = deque()
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._previous_descriptor = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in (*_STOP_SIGNALS, signal.SIGCHLD):
            # Under nohup a hang-up is to be ignored, and so it stays.
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue
            self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._previous_descriptor)
        self._reader.close()
        self._writer.close()

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self._reader.fileno()

    def drain(self) -> None:
        """Empty the descriptor, so that it becomes readable with the next signal."""
        try:
            while self._reader.recv(4096):
                pass
        except BlockingIOError:
            pass

    def next_request(self) -> signal.Signals | None:
        """Return the oldest request to stop that was not yet taken."""
        return self._requests.popleft() if self._requests else None

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if number != signal.SIGCHLD:
            self._requests.append(signal.Signals(number))
