"""What a run of the suite acts on: the parts, the ways to their processes, the proxies in front of the servers."""

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from redis import Redis

from shared.config import CHECKOUT, load_settings
from shared.net.architectures import build
from shared.net.checkpoint import Metadata, save_checkpoint
from shared.services import Services, connect
from tests.faults.armed import armed_command
from tests.faults.plan import StackKind
from tests.faults.points import Points
from tests.faults.processes import Process, Supervisor
from tests.faults.proxy import Proxy

# Short, so that a run of minutes holds many faults; the plan's durations know them.
SETTINGS = {
    "LEASE_SECONDS": "4",
    "MAX_ATTEMPTS": "5",
    "RECONCILE_INTERVAL": "0.3",
    "RESEND_AFTER": "3",
    "WATCHDOG_SECONDS": "20",
    "DECODE_SECONDS": "9",
    "STARTUP_SECONDS": "300",
    "SHARD_SIZE": "16",
    "LOG_LEVEL": "INFO",
    "OMP_NUM_THREADS": "1",
    "PYTHONUNBUFFERED": "1",
}

# The parts' time shall go to the queue and not to the network.
_TINY = {"base": 2, "levels": 2, "stem": 4}


@dataclass
class World:
    """One stack under test."""

    stack: StackKind
    folder: Path
    supervisor: Supervisor
    points: Points
    through: Services  # as the parts reach the servers, through the proxies
    past: Services  # past the proxies, for those who do harm and for the audit
    redis: Redis
    admin_address: str
    proxies: dict[str, Proxy] = field(default_factory=dict)
    clock: Path | None = None  # a file that sets the database's clock, such as "+600", where libfaketime is installed
    # Processes that the supervisor does not start itself: name → the way to its pid.
    others: dict[str, Callable[[], int | None]] = field(default_factory=dict)

    def pids(self, role: str) -> list[int]:
        """The living processes whose name begins so."""
        own = [(process.name, process.pid) for process in self.supervisor.processes]
        found = own + [(name, pid()) for name, pid in self.others.items()]
        return [pid for name, pid in found if name.startswith(role) and pid is not None]

    def process(self, name: str) -> Process:
        """One that the supervisor starts."""
        return next(process for process in self.supervisor.processes if process.name == name)

    @property
    def restarts(self) -> int:
        """How often a process was started again."""
        return sum(max(0, process.starts - 1) for process in self.supervisor.processes)


def environment(home: Path, **settings: str) -> dict[str, str]:
    """The environment of all parts; the checkout comes first among Python's folders."""
    home.mkdir(exist_ok=True)
    model = home.parent / "model"
    if not model.exists():
        save_checkpoint(model, build("attention_unet", _TINY), Metadata("attention_unet", _TINY))
    secret = {"ADMIN_PASSWORD": secrets.token_hex(12), "SECRET_KEY": secrets.token_hex(32)}
    where = {"DELINEATE_HOME": str(home), "MODEL_PATH": str(model), "PYTHONPATH": str(CHECKOUT)}
    return dict(os.environ) | SETTINGS | secret | where | settings


@contextmanager
def opened(variables: dict[str, str], **changed: str) -> Iterator[Services]:
    """The services of these variables, with some changed."""
    names = ("delineate_home", "database_url", "broker_url", "store_url", "s3_endpoint_url")
    keys = ("aws_access_key_id", "aws_secret_access_key", "shard_size", "lease_seconds", "max_attempts")
    overrides = {name: (variables | changed).get(name.upper()) for name in (*names, *keys)}
    services = connect(load_settings(**{name: value for name, value in overrides.items() if value is not None}))
    try:
        yield services
    finally:
        services.close()


def run_armed(supervisor: Supervisor, folder: Path, name: str, variables: dict[str, str]) -> None:
    """Run a `worker-…` or a `reconciler-…` with its points."""
    command = armed_command(folder, name.partition("-")[0])
    supervisor.run(Process(name, command, folder / f"{name}.log", variables))
