"""The version of this code, as results and logs name it."""

from functools import cache
from importlib import metadata


@cache
def code_version() -> str:
    """The installed version of Delineate; "unknown" where it runs from a folder that was never installed."""
    try:
        return metadata.version("delineate")
    except metadata.PackageNotFoundError:
        return "unknown"
