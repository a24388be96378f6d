"""A look beforehand: which servers are missing on this machine."""

from collections.abc import Callable, Iterable, Mapping

from devservers.postgres import postgres_binaries
from devservers.process import ServerMissing
from devservers.redis import redis_executable
from devservers.s3 import s3_executable

SERVERS: Mapping[str, Callable[[], object]] = {
    "redis": redis_executable,
    "postgres": postgres_binaries,
    "s3": s3_executable,
}


def missing_servers(names: Iterable[str] = SERVERS) -> list[str]:
    """Return, for each of these servers that is not installed, how to install it."""
    return [reason for name in sorted(set(names)) if (reason := _reason(SERVERS[name]))]


def _reason(find: Callable[[], object]) -> str:
    try:
        find()
    except ServerMissing as error:
        return str(error)
    return ""
