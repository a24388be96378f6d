"""The command that runs against a ready stack, with the terminal as its own."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence

from admin.standalone.child import die_with_parent
from shared.errors import UsageError


class Foreground:
    """A command with our standard streams, in our process group."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], *, umask: int = -1) -> None:
        """Start the command; `umask` is what its files get, -1 for that of this process.

        Raises:
            UsageError: it cannot be started.
        """
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the user's own command
                command, env=environment, preexec_fn=die_with_parent(signal.SIGTERM), umask=umask
            )
        except OSError as error:
            raise UsageError(f"{command[0]} cannot be started: {error.strerror}") from error

    def exit_code(self) -> int | None:
        """Return the code that a shell would give once it has ended, None while it runs."""
        code = self._process.poll()
        return 128 - code if code is not None and code < 0 else code

    def interrupt(self, request: signal.Signals) -> None:
        """Pass a signal on, unless the command has it already."""
        if request != signal.SIGINT or not _in_terminal_foreground():
            self._process.send_signal(request)

    def kill(self) -> None:
        """End the command at once."""
        self._process.kill()
        self._process.wait()


def _in_terminal_foreground() -> bool:
    """Whether Ctrl-C in the terminal reaches this process group, and so the command in it, by itself."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
