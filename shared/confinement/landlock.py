"""Landlock: no file by its name, no TCP connection, no signal and no abstract socket to others.

The interface is <https://docs.kernel.org/userspace-api/landlock.html>; the numbers are the same on all architectures.
"""

import ctypes
import os

_CREATE_RULESET, _RESTRICT_SELF = 444, 446
_VERSION_FLAG = 1

# By version of the interface: the rights over files, over TCP ports, and the scopes, that it can take away.
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}  # so many lowest bits
_TCP_SINCE, _TCP_RIGHTS = 4, 0b11  # bind, connect
_SCOPES_SINCE, _SCOPES = 6, 0b11  # abstract sockets, signals


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("tcp", ctypes.c_uint64), ("scopes", ctypes.c_uint64))


def version() -> int:
    """Return the version of the kernel's interface; 0 where there is none."""
    try:
        return max(_call(_CREATE_RULESET, None, 0, _VERSION_FLAG), 0)
    except (OSError, AttributeError):
        return 0


def is_available() -> bool:
    """Whether the kernel has it, and lets us."""
    return version() > 0


def deny_all() -> None:
    """Take away all that this kernel's version can, with no exception. Needs no_new_privs.

    Raises:
        OSError: the kernel refuses.
    """
    known = version()
    files = max(bits for since, bits in _FILE_RIGHTS.items() if since <= known)
    handled = _Ruleset(
        (1 << files) - 1, _TCP_RIGHTS if known >= _TCP_SINCE else 0, _SCOPES if known >= _SCOPES_SINCE else 0
    )
    # What a ruleset handles and no rule allows is denied: this one has no rules.
    ruleset = _call(_CREATE_RULESET, ctypes.byref(handled), ctypes.sizeof(handled), 0)
    try:
        _call(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _call(number: int, *arguments: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    whole = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    result = int(libc.syscall(ctypes.c_long(number), *whole))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"Landlock: {os.strerror(number)}")
    return result
