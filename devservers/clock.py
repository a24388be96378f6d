"""A wall clock of a server's own, which can be set while it runs; its monotonic clock goes on as it should."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SettableClock:
    """The environment of the server, and the file that says by how much its clock is off; None: not to be had."""

    environment: dict[str, str] | None
    file: Path | None


def settable_clock(folder: Path) -> SettableClock:
    """Return a clock that is set by writing `+600` or `-600`, in seconds, into its file; seen within a second."""
    libraries = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not libraries:
        return SettableClock(None, None)
    file = folder / "clock"
    file.write_text("+0")
    file.chmod(0o644)
    environment = {
        "LD_PRELOAD": str(libraries[0]),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    return SettableClock(dict(os.environ) | environment, file)
