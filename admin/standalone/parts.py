"""Which processes make an embedded stack, and on which port its admin listens."""

import os
import socket
import sys
from pathlib import Path

from admin.standalone.broker import broker_command
from admin.standalone.child import Part
from admin.standalone.home import Home
from shared.config import Settings, child_environment
from shared.errors import ConfigurationError

HOST = "127.0.0.1"  # never another: what runs without being configured is for this machine alone

# A worker that is told to stop finishes the shards it holds: up to SHARD_SIZE images, on a CPU.
_WORKER_STOP_SECONDS = 120.0


def parts_environment(settings: Settings, *, only_embedded: bool) -> dict[str, str]:
    """Return the environment that all parts share, and the command that runs against them.

    With `only_embedded`, the settings' own addresses stand above those of `.env`.
    """
    addresses = {"DATABASE_URL": settings.database, "BROKER_URL": settings.broker, "STORE_URL": settings.store}
    environment = child_environment(settings, **(addresses if only_embedded else {}))
    scripts = str(Path(sys.executable).parent)
    return environment | {"PATH": os.pathsep.join(filter(None, [scripts, environment.get("PATH")]))}


def broker_part(settings: Settings, home: Home, environment: dict[str, str]) -> Part:
    """The broker on its socket."""
    return Part("broker", broker_command(settings.broker_socket, home.broker), environment)


def python_parts(environment: dict[str, str], *, port: int, secret_key: str) -> list[Part]:
    """The reconciler, the web admin and the worker, in the order of their starting."""
    # Without it a line would wait in the child's buffer until a few thousand others have come.
    environment = environment | {"PYTHONUNBUFFERED": "1"}
    # -P: a folder named like one of our packages, where the user happens to stand, is not imported.
    python = [sys.executable, "-P", "-m"]
    admin = environment | {"ADMIN_HOST": HOST, "ADMIN_PORT": str(port), "SECRET_KEY": secret_key}
    return [
        # METRICS_PORT is one port: the worker's.
        Part("reconciler", [*python, "admin.cli", "reconcile"], environment | {"METRICS_PORT": "0"}),
        Part("admin", [*python, "admin.cli", "serve"], admin),
        Part("worker", [*python, "worker"], environment, stop_seconds=_WORKER_STOP_SECONDS),
    ]


def choose_port(wanted: int, *, insist: bool) -> int:
    """Return the wanted port if it is free, or another.

    Raises:
        ConfigurationError: it is not and `insist`, or no port is free.
    """
    for port in (wanted, 0):
        with socket.socket() as probe:
            # As the server does: a port with nothing but dying connections is free.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError as error:
                if insist:
                    raise ConfigurationError(f"port {wanted} cannot be used: {error.strerror}") from error
                continue
            return int(probe.getsockname()[1])
    raise ConfigurationError(f"no port is free on {HOST}")
