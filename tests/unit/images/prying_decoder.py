"""A decoder process that tries what a hole in a library would be used for; an image's note says how it went."""

import ctypes
import errno
import mmap
import os
import platform
import resource
import socket
import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import shared.images.decoder
from shared.images.codec import DecodedImage, DecodeLimits, decode

_PTRACE_SEIZE = 0x4206
_PTRACE = {"x86_64": 101, "aarch64": 117}[platform.machine()]
_PARENT = os.getppid()
_LIBC = ctypes.CDLL(None, use_errno=True)


def _call(result: int) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")


def _connect() -> None:
    with socket.socket() as tcp:
        tcp.connect(("127.0.0.1", 9))


def _raise_limits() -> None:
    for limit in (resource.RLIMIT_NOFILE, resource.RLIMIT_CORE, resource.RLIMIT_AS, resource.RLIMIT_FSIZE):
        hard = resource.getrlimit(limit)[1]
        try:
            resource.setrlimit(limit, (hard + 1, hard + 1))
        except ValueError:  # not allowed to raise maximum limit
            continue
        raise AssertionError(limit)
    raise PermissionError(errno.EPERM, "refused")


ATTEMPTS: dict[str, Callable[[], object]] = {
    "read a file": lambda: Path("/etc/passwd").read_bytes(),
    "write a file": lambda: Path("/tmp/delineate-was-here").write_bytes(b""),
    "read its own code": lambda: Path(shared.images.decoder.__file__).read_bytes(),
    "read the parent's environment": lambda: Path(f"/proc/{_PARENT}/environ").read_bytes(),
    "read the parent's memory": lambda: Path(f"/proc/{_PARENT}/mem").read_bytes(),
    "open a socket": _connect,
    "open a local socket": lambda: socket.socket(socket.AF_UNIX),
    "run a program": lambda: subprocess.run(["/bin/true"], check=True),
    "become a program": lambda: os.execv("/bin/true", ["/bin/true"]),
    "fork": os.fork,
    "trace the parent": lambda: _call(_LIBC.syscall(_PTRACE, _PTRACE_SEIZE, _PARENT, 0, 0)),
    "read the parent": lambda: _call(_LIBC.process_vm_readv(_PARENT, None, 0, None, 0, 0)),
    "signal the parent": lambda: os.kill(_PARENT, 0),
    "bound the parent": lambda: resource.prlimit(_PARENT, resource.RLIMIT_CORE, (0, 0)),
    "make code": lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_EXEC),
    "make memory of no file": lambda: os.memfd_create("x"),
    "raise its limits": _raise_limits,
}
"""All of these have to be refused."""


def pry(data: bytes, *, limits: DecodeLimits) -> DecodedImage:
    """Decode, and say in the note what was not refused."""
    image = decode(data, limits=limits)
    return replace(image, note=", ".join([name for name in ATTEMPTS if not _is_refused(name)] or ["all refused"]))


def _is_refused(name: str) -> bool:
    try:
        ATTEMPTS[name]()
    except OSError as error:
        return error.errno in (errno.EPERM, errno.EACCES, errno.EMFILE)
    return False


def compute(data: bytes, *, limits: DecodeLimits) -> DecodedImage:
    """Decode in a thread, in a good deal of memory."""
    found: list[DecodedImage] = []
    thread = threading.Thread(target=lambda: found.append(decode(data, limits=limits)))
    thread.start()
    thread.join()
    held = bytearray(64 * 2**20)
    return replace(found[0], note=f"threads and {len(held)} bytes")


if __name__ == "__main__":
    shared.images.decoder.decode = lambda data, limits, channel: (compute if data.startswith(b"BM") else pry)(
        data, limits=limits
    )
    shared.images.decoder.main()
