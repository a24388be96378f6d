"""Real servers for tests: each a context manager on a free port of 127.0.0.1, its data in a temporary folder."""

from devservers.chromium import chromium_executable
from devservers.clock import SettableClock, settable_clock
from devservers.installed import SERVERS, missing_servers
from devservers.nginx import nginx, nginx_executable
from devservers.pgbouncer import pgbouncer
from devservers.postgres import PostgresCluster, make_cluster, postgres_server
from devservers.process import ServerMissing, free_ports
from devservers.redis import redis_command, redis_server
from devservers.s3 import S3Endpoint, S3Process, s3_process, s3_server

__all__ = [
    "SERVERS",
    "PostgresCluster",
    "S3Endpoint",
    "S3Process",
    "ServerMissing",
    "SettableClock",
    "chromium_executable",
    "free_ports",
    "make_cluster",
    "missing_servers",
    "nginx",
    "nginx_executable",
    "pgbouncer",
    "postgres_server",
    "redis_command",
    "redis_server",
    "s3_process",
    "s3_server",
    "settable_clock",
]
