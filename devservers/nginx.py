"""nginx before a server of ours, with a certificate of its own making."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from devservers.process import ServerMissing, running

_FRAME = """daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
{user}
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{servers}
}}
"""


@contextmanager
def nginx(servers: str, *, port: int) -> Iterator[None]:
    """Run nginx with these `server` blocks, one of which listens on `port`.

    CERTIFICATE and KEY in them become the files of a certificate for localhost.
    """
    executable = nginx_executable()
    with TemporaryDirectory(prefix="delineate-nginx-") as temporary:
        folder = Path(temporary)
        certificate, key = folder / "certificate.pem", folder / "key.pem"
        _make_certificate(certificate, key)
        user = f"user {folder.owner()};"
        servers = servers.replace("CERTIFICATE", str(certificate)).replace("KEY", str(key))
        (folder / "nginx.conf").write_text(_FRAME.format(folder=folder, user=user, servers=servers))
        command: list[str | Path] = [executable, "-p", folder, "-c", folder / "nginx.conf"]

        def answers() -> None:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()

        with running(command, folder=folder, wait_until=answers):
            yield


def nginx_executable() -> str:
    """Return nginx' path.

    Raises:
        ServerMissing: it, or openssl, is not installed.
    """
    executable = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if executable is None or shutil.which("openssl") is None:
        raise ServerMissing("needs nginx: apt-get install nginx openssl")
    return executable


def _make_certificate(certificate: Path, key: Path) -> None:
    command = [
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
        "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out",
        str(certificate),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
