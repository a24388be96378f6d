"""The full stack: Redis, PostgreSQL, S3 behind proxies, two workers, two reconcilers, the admin."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
from redis import Redis

from admin.commands.processes import prepare
from devservers import S3Process, free_ports, make_cluster, redis_command, s3_process, settable_clock
from tests.faults.plan import StackKind
from tests.faults.points import Points
from tests.faults.processes import Process, Supervisor
from tests.faults.proxy import Proxy
from tests.faults.world import World, environment, opened, run_armed

_START_SECONDS = 300.0
# Survives a kill -9 of the server, which is what the suite does; not a loss of power.
_POSTGRES = {"fsync": "off", "full_page_writes": "off"}


@contextmanager
def full_world(folder: Path) -> Iterator[World]:
    """The whole stack, ready for jobs; it ends with the body."""
    with ExitStack() as closing:
        supervisor = Supervisor()
        closing.callback(supervisor.close)
        for name in ("postgres", "redis", "s3"):
            (folder / name).mkdir()
        folder.chmod(0o755)  # PostgreSQL runs as another account where this is root
        [redis_port, admin_port] = free_ports(2)
        cluster = make_cluster(folder / "postgres", **_POSTGRES)
        store = s3_process(folder / "s3")
        clock = settable_clock(folder)
        commands = {
            "postgres": Process(
                "postgres", cluster.command, folder / "postgres.log", clock.environment, account=cluster.account
            ),
            "redis": Process("redis", redis_command(folder / "redis", redis_port), folder / "redis.log"),
            "s3": Process("s3", store.command, folder / "s3.log", store.environment),
        }
        for process in commands.values():
            supervisor.run(process)
        ports = {"postgres": _port(cluster.url), "redis": redis_port, "s3": _port(store.endpoint.url)}
        proxies = {name: Proxy(port) for name, port in ports.items()}
        for proxy in proxies.values():
            closing.callback(proxy.close)
        redis = closing.enter_context(Redis(port=redis_port, socket_timeout=10))
        _await_servers(cluster.url, redis, store)

        direct = _addresses(ports, cluster.url)
        proxied = _addresses({name: proxy.port for name, proxy in proxies.items()}, cluster.url)
        keys = {"AWS_ACCESS_KEY_ID": store.endpoint.access_key, "AWS_SECRET_ACCESS_KEY": store.endpoint.secret_key}
        variables = environment(folder / "home", **proxied, **keys, ADMIN_PORT=str(admin_port))
        through = closing.enter_context(opened(variables))
        past = closing.enter_context(opened(variables, **direct))
        prepare(past, wait=_START_SECONDS)
        for name in ("reconciler-1", "reconciler-2", "worker-1", "worker-2"):
            run_armed(supervisor, folder, name, variables)
        supervisor.run(Process("admin", [sys.executable, "-m", "admin.cli", "serve"], folder / "admin.log", variables))
        yield World(
            stack=StackKind.FULL,
            folder=folder,
            supervisor=supervisor,
            points=Points(folder / "points"),
            through=through,
            past=past,
            redis=redis,
            admin_address=f"http://127.0.0.1:{admin_port}",
            proxies=proxies,
            clock=clock.file,
        )


def _addresses(ports: dict[str, int], database_url: str) -> dict[str, str]:
    return {
        "DATABASE_URL": database_url.replace(f":{_port(database_url)}/", f":{ports['postgres']}/"),
        "BROKER_URL": f"redis://127.0.0.1:{ports['redis']}/0",
        "STORE_URL": "s3://faults",
        "S3_ENDPOINT_URL": f"http://127.0.0.1:{ports['s3']}",
    }


def _port(url: str) -> int:
    return int(url.rpartition(":")[2].partition("/")[0])


def _await_servers(database_url: str, redis: Redis, store: S3Process) -> None:
    probe = store.endpoint.open("readiness")
    deadline = time.monotonic() + _START_SECONDS
    checks: list[Callable[[], object]] = [
        lambda: psycopg.connect(database_url.replace("+psycopg", "")).close(),
        redis.ping,
        lambda: (probe.prepare(), probe.check()),
    ]
    while checks:
        try:
            checks[0]()
            del checks[0]
        except Exception:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
    probe.close()
