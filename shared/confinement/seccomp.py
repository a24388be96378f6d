"""seccomp: the system calls that computing needs, and no other.

A filter is a small program of the kernel's packet filter, which looks at each call's number and arguments. It names
what is allowed, so that calls which later kernels add are refused too. See seccomp(2) and bpf(4).
"""

import ctypes
import errno
import mmap
import os
import platform
import struct

_ARCHITECTURES = {"x86_64": (0, 0xC000_003E), "aarch64": (1, 0xC000_00B7)}
"""Machine → column of the tables below, and what the kernel calls the architecture (AUDIT_ARCH_*)."""

_ALLOWED = {  # x86_64, aarch64
    # what is open already: the connection, and the memory shared with the parent
    "read": (0, 63), "write": (1, 64), "close": (3, 57), "lseek": (8, 62), "pread64": (17, 67), "pwrite64": (18, 68),
    "readv": (19, 65), "writev": (20, 66), "preadv": (295, 69), "pwritev": (296, 70),
    # memory (mmap and mprotect: below)
    "munmap": (11, 215), "brk": (12, 214), "mremap": (25, 216), "madvise": (28, 233),
    # signals of its own, and its end
    "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "sigaltstack": (131, 132),
    "restart_syscall": (219, 128), "exit": (60, 93), "exit_group": (231, 94), "getpid": (39, 172), "gettid": (186, 178),
    # threads and locks (clone: below)
    "futex": (202, 98), "set_robust_list": (273, 99), "rseq": (334, 293), "sched_yield": (24, 124),
    "sched_getaffinity": (204, 123),
    # time, chance, sizes
    "clock_gettime": (228, 113), "nanosleep": (35, 101), "clock_nanosleep": (230, 115), "getrandom": (318, 278),
    "sysinfo": (99, 179), "getrusage": (98, 165), "getrlimit": (97, 163), "setrlimit": (160, 164),
}  # fmt: skip

_MMAP, _MPROTECT = (9, 222), (10, 226)
_CLONE, _CLONE3 = (56, 220), (435, 435)
_PRLIMIT, _KILL, _TGKILL = (302, 261), (62, 129), (234, 131)
_CLONE_THREAD = 0x0001_0000

_LOAD, _JUMP_IF_EQUAL, _JUMP_IF_ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06  # of words, with constants
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # offsets in what the filter sees
_ALLOW, _REFUSE = 0x7FFF_0000, 0x0005_0000  # the latter with the error's number in the low half

_PR_SET_SECCOMP, _MODE_FILTER = 22, 2
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_SET_MODE_FILTER = 1
_ALL_THREADS, _KEEP_SPECULATION = 1, 4
"""Flags. Without the second, kernels before 5.16 would also slow the process down against attacks on speculation."""

Instruction = tuple[int, int, int, int]  # code, steps ahead if true and if false, constant


def is_available() -> bool:
    """Whether the kernel has filters, and we know this machine's numbers."""
    if platform.machine() not in _ARCHITECTURES or struct.calcsize("P") != 8:
        return False
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
        # A filter at address 0 is none: who has filters says that the address is bad.
        return libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, 0, 0, 0) != 0 and ctypes.get_errno() == errno.EFAULT
    except (OSError, AttributeError):
        return False


def install() -> None:
    """Refuse every other system call from here on, in all threads. Needs no_new_privs.

    Raises:
        OSError: the kernel refuses.
    """
    instructions = program(platform.machine(), os.getpid())
    code = b"".join(struct.pack("=HBBI", *each) for each in instructions)
    memory = ctypes.create_string_buffer(code, len(code))
    header = ctypes.create_string_buffer(struct.pack("@HP", len(instructions), ctypes.addressof(memory)))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    number = ctypes.c_long(_SECCOMP[platform.machine()])
    flags = ctypes.c_long(_ALL_THREADS | _KEEP_SPECULATION)
    if libc.syscall(number, ctypes.c_long(_SET_MODE_FILTER), flags, ctypes.byref(header)):
        failure = ctypes.get_errno()
        raise OSError(failure, f"seccomp: {os.strerror(failure)}")


def program(machine: str, pid: int) -> list[Instruction]:
    """Return the filter for a process of this id on this kind of machine."""
    column, architecture = _ARCHITECTURES[machine]
    lines = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_JUMP_IF_EQUAL, 1, 0, architecture),
        _return(_REFUSE | errno.EPERM),
        (_LOAD, 0, 0, _NUMBER),
    ]
    for numbers in _ALLOWED.values():
        lines += [(_JUMP_IF_EQUAL, 0, 1, numbers[column]), _return(_ALLOW)]
    for numbers in (_MMAP, _MPROTECT):  # of what is mapped nothing becomes code
        lines += _unless_bit(numbers[column], argument=2, bit=mmap.PROT_EXEC)
    lines += _if_bit(_CLONE[column], argument=0, bit=_CLONE_THREAD)  # threads, no processes
    for numbers, argument in ((_PRLIMIT, 0), (_KILL, pid), (_TGKILL, pid)):  # itself alone
        lines += _if_equal(numbers[column], argument=0, value=argument)
    # As a kernel that has it not: glibc then makes threads by clone, whose flags can be looked at.
    lines += [(_JUMP_IF_EQUAL, 0, 1, _CLONE3[column]), _return(_REFUSE | errno.ENOSYS)]
    return [*lines, _return(_REFUSE | errno.EPERM)]


def _return(what: int) -> Instruction:
    return (_RETURN, 0, 0, what)


def _if_equal(number: int, *, argument: int, value: int) -> list[Instruction]:
    return _on_argument(number, argument, (_JUMP_IF_EQUAL, 0, 1, value))


def _if_bit(number: int, *, argument: int, bit: int) -> list[Instruction]:
    return _on_argument(number, argument, (_JUMP_IF_ANY_BIT, 0, 1, bit))


def _unless_bit(number: int, *, argument: int, bit: int) -> list[Instruction]:
    return _on_argument(number, argument, (_JUMP_IF_ANY_BIT, 1, 0, bit))


def _on_argument(number: int, argument: int, test: Instruction) -> list[Instruction]:
    """Allow the call where the test of its argument's low half goes on to the next line, else refuse it."""
    return [
        (_JUMP_IF_EQUAL, 0, 4, number),
        (_LOAD, 0, 0, _FIRST_ARGUMENT + 8 * argument),
        test,
        _return(_ALLOW),
        _return(_REFUSE | errno.EPERM),
    ]
