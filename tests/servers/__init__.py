"""Real servers for tests: each a context manager on a free port of 127.0.0.1, its data in a temporary folder."""

from tests.servers.chromium import chromium_executable
from tests.servers.postgres import postgres_server
from tests.servers.process import ServerMissing
from tests.servers.redis import redis_server
from tests.servers.s3 import S3Endpoint, s3_server

__all__ = ["S3Endpoint", "ServerMissing", "chromium_executable", "postgres_server", "redis_server", "s3_server"]
