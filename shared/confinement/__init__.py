"""What a process may do once it has loaded all that it needs: think, and use what is open already.

`confine` takes everything else away for good, as far as the kernel lets it: Landlock (files, connections) and seccomp
(system calls) are Linux's. Each alone would do for most of it; they are there for one another's holes.
"""

import ctypes
import os
import resource
from contextlib import suppress

from shared.confinement import landlock, seccomp

_PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 4, 38
_CAPABILITY_VERSION = 0x2008_0522


def missing() -> list[str]:
    """Return the names of what this machine cannot confine a process by; none is best."""
    parts = {"Landlock": landlock.is_available(), "seccomp": seccomp.is_available()}
    return [name for name, there in parts.items() if not there]


def confine() -> None:
    """Give up, for good and with all threads, what decoding an image does not need.

    From here on the process opens no file, no connection and no other process, starts no program, and makes no code
    of what it was given. What it has open stays usable. Where `missing` names something, the rest has to do.

    Raises:
        OSError: the kernel refuses what it said it had; the process should end.
    """
    libc = _libc()
    if libc is not None:
        _drop_capabilities(libc)
        _require(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    if landlock.is_available():
        landlock.deny_all()
    # No dumps of images, and no new descriptors: of files, sockets, pipes or anything else.
    for limit in (resource.RLIMIT_CORE, resource.RLIMIT_NOFILE):
        resource.setrlimit(limit, (0, 0))
    if seccomp.is_available():
        seccomp.install()


def hide_from_neighbours() -> None:
    """Keep processes of the same user from reading this one's memory and environment; elsewhere than on Linux nothing.

    Debuggers and profilers then need root, and there are no core dumps.
    """
    libc = _libc()
    if libc is not None:
        libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def _libc() -> ctypes.CDLL | None:
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
        return libc
    return None  # not Linux


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    """Be root in name alone, if at all: raising limits again is among the things that capabilities let one do."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    none = (ctypes.c_uint32 * 6)()  # effective, permitted and inheritable, in two halves
    _require(libc.capset(ctypes.byref(header), ctypes.byref(none)), "capabilities")


def _require(result: int, what: str) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, f"the process cannot be confined ({what}): {os.strerror(number)}")
