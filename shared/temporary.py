"""The folder for temporary files (TMPDIR): whether there is one, and whether it has room."""

import shutil
import tempfile

from shared.errors import ConfigurationError

MIN_FREE_BYTES = 32 * 2**20
"""Less is too little for one large image, or for one larger upload."""


def check_temporary_folder() -> None:
    """Raise unless files can be written there.

    Raises:
        ConfigurationError: there is no such folder, or it has hardly any room; the line says what to do.
    """
    try:
        folder = tempfile.gettempdir()
        with tempfile.TemporaryFile() as file:
            file.write(b"delineate")
            file.flush()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise ConfigurationError(f"no folder for temporary files: {error.strerror}; set TMPDIR to one") from error
    if free < MIN_FREE_BYTES:
        raise ConfigurationError(
            f"the folder for temporary files, {folder}, has {free / 2**20:.0f} MiB free, and less than"
            f" {MIN_FREE_BYTES / 2**20:.0f} MiB is too little: make room, or set TMPDIR to another"
        )
