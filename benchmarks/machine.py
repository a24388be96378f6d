"""What a benchmark ran on: the machine, the versions, the code and the network."""

import os
import platform
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import psutil
import torch

from shared.config import CHECKOUT, DEFAULT_MODEL
from shared.net.checkpoint import WEIGHTS_NAME
from shared.net.weights_file import file_sha256

_PACKAGES = ("torch", "numpy", "pillow", "celery", "obstore", "boto3", "ray")
_VERSION = re.compile(r"\b\d+\.\d+(\.\d+)?\b")


def described() -> dict[str, object]:
    """All that somebody needs who wants to know why their figures differ."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": _commit(),
        "model": file_sha256(DEFAULT_MODEL / WEIGHTS_NAME),
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "system": _system(),
        "python": platform.python_version(),
        "versions": _packages() | _servers(),
    }


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _system() -> str:
    kernel = f"{platform.system()} {platform.release().partition('-')[0]}"
    with suppress(OSError):
        return f"{platform.freedesktop_os_release()['PRETTY_NAME']}, {kernel}"
    return kernel


def _commit() -> str:
    """The commit, with a `+` where the working tree differs from it."""
    try:
        commit = _said("git", "rev-parse", "HEAD")
        return commit + ("+" if _said("git", "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "not a checkout"


def _packages() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _servers() -> dict[str, str]:
    """The version that each says of itself, as far as it is installed."""
    commands = {
        "PostgreSQL": [*_postgres(), "--version"],
        "Redis": [shutil.which("redis-server") or "valkey-server", "--version"],
        "SeaweedFS": [str(Path(sys.executable).parent / "weed"), "version"],
    }
    found = {}
    for name, words in commands.items():
        with suppress(OSError, subprocess.CalledProcessError):
            if version := _VERSION.search(_said(*words)):
                found[name] = version.group()
    return found


def _postgres() -> list[str]:
    return [str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))[-1:]] or ["postgres"]


def _said(*words: str) -> str:
    return subprocess.run(words, cwd=CHECKOUT, capture_output=True, text=True, check=True).stdout.strip()
